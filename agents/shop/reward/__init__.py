"""A language model as the reward: what it reads, what it learns from, and the rule itself."""
