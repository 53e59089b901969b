"""What lrdecay refuses to do for a model that asks for it while it is built."""

from __future__ import annotations


class NotHereError(RuntimeError):
    """Something that is not on this machine and that lrdecay will not fetch. It passes through code of the stack.

    Args:
        message: what the model asks for, as a sentence without a full stop.
        needs: its name, for a table of many configs.
        remedy: what makes it available.
    """

    # All but the first have defaults: code of the stack may raise it anew with the message alone.
    def __init__(self, message: str, needs: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.needs = needs
        self.remedy = remedy
