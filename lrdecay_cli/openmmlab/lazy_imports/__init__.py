"""Getting the stack into the process: quickly, quietly, and no more of it than is used."""
