"""The rules of the optimizer wrapper constructors that lrdecay knows, one file each, as pure functions of a map."""
