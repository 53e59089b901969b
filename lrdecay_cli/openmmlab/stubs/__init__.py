"""Stubs for things that models request at build time and need only to compute: kernels, weights, remote files."""
