"""Language model backends: the interface that an LE needs of a causal LM, and three backends."""
