"""Confining a process before it loads a stranger's config: what it may reach, write, read and use up.

Nothing here trusts the process afterwards. What the system cannot enforce is not claimed: :func:`confine` says what it
could do and what not.
"""

from lrdecay_cli.isolation.confining import Confinement, Measure, confine, confinement_for

__all__ = ["Confinement", "Measure", "confine", "confinement_for"]
