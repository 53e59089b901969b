"""Data records that all packages of lrdecay share, and the error types. This package does no input or output.

The records are frozen msgspec Structs. Defining msgspec Structs and reading them from JSON is several times faster than
with dataclasses. With dataclasses, a command that compares two files would spend most of its time on these two tasks.
"""
