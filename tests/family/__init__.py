"""Constructors of the sibling packages: compare lrdecay's formulas with groups recorded from the real constructors."""
