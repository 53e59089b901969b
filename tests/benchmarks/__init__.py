"""Benchmarks: ratios between commands that run alternately. They print measurements and are not tests."""
