"""The language model as the environment (LE): item tokens, state, reward and action models."""
