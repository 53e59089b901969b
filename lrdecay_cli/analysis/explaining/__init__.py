"""The report of ``explain``: why parameters are in their groups, and why not in others."""
