"""Stubs for objects that models load at build time and use only to compute: kernels, weights, remote files."""
