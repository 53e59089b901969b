"""Rules 2xx: layer ids, and how they go with the depth of the backbone."""
