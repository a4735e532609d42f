"""Products found by words: what is searched of one, the engine for a shop, queries to try."""
