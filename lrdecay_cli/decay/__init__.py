"""Layer-wise lr decay as pure functions: options, backbone families, parameter kinds and formulas."""
