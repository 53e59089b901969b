"""Import torch and OpenMMLab lazily: load only the modules that are used, fast and without output."""
