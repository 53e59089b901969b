"""Work in processes of its own: children, what they print, and what they give back."""
