"""The facts everybody shares: frozen dataclasses and the error type. No printing, no input or output, stdlib only."""
