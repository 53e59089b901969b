"""Confine a process before it loads an untrusted config: network, writes, reads and resources.

The process is not trusted afterwards. :func:`confine` reports what the system enforces and what it does not.
"""

from lrdecay_cli.isolation.confining import Confinement, Measure, confine, confinement_for

__all__ = ["Confinement", "Measure", "confine", "confinement_for"]
