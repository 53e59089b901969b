"""Check whether configs can be inspected in this environment, by the metadata of packages and without importing
them.
"""
