"""Parameter names: their order, their tree, and the few patterns that stand for many."""
