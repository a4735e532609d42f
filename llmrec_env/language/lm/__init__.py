"""Language model backends: the interface that the LE needs of a causal LM, and its models."""
