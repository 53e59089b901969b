"""From a checkpoint of a stranger to the group map of the optimizer that it saved; nothing in it is run."""
