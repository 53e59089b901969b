"""Remedies that several rules propose, as text to paste into a config."""
