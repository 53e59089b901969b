"""The report of ``inspect`` on a group map."""
