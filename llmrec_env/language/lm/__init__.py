"""Language model backends: what the LE needs of a causal LM, and the models that provide it."""
