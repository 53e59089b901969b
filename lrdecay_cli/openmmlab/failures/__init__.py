"""Translate errors of torch and OpenMMLab into one line: problem, place and fix."""
