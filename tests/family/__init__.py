"""Constructors of the sibling packages: groups recorded from the real ones, and our formulas held against them."""
