"""The language environment (LE): a language model that acts as the user of a recommender."""
