"""Build the model and parameter groups of a config. Only this package of lrdecay imports torch and OpenMMLab."""
