"""The records that all packages share: frozen structs and the error type. No printing, no input or output.

The records are msgspec Structs. They are defined and read from JSON several times faster than dataclasses, which
would take most of the time of a command that only compares two files.
"""
