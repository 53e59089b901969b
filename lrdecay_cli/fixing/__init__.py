"""Write fixes into the text of configs: find the lines to edit, and verify the merged config before anything is
written.
"""
