"""Translate errors of torch and OpenMMLab into one line with the problem, where it is, and how to fix it."""
