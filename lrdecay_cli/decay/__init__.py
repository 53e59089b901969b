"""The decay itself, as pure functions: parameter name → layer id → lr scale → lr, and name and shape → weight decay."""
