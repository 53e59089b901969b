"""Check whether configs can be inspected in this environment, from package metadata and without importing packages."""
