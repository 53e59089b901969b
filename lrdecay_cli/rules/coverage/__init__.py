"""Rules 1xx: every parameter is in the right number of groups."""
