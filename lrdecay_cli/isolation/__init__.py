"""Confine a process before it loads an untrusted config. Restricts network, writes, reads and resources.

After loading, the process is not trusted. :func:`confine` reports which restrictions the operating system enforces.
"""

from lrdecay_cli.isolation.confining import Confinement, Measure, confine, confinement_for

__all__ = ["Confinement", "Measure", "confine", "confinement_for"]
