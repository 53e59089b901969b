"""The facts everybody shares: frozen records and the error type. No printing, no input or output.

The records are msgspec Structs: they are defined and read from JSON several times faster than dataclasses, which a
command that only compares two files would spend most of its time on.
"""
