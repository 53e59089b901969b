"""Check whether lrdecay can inspect configs in this environment. Reads the metadata of packages and imports none."""
