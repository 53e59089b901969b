"""Rules 2xx: layer ids, and whether they fit the depth of the backbone."""
