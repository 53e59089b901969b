"""Stubs for kernels, weights and remote files that models load when they are built, but need only for computing."""
