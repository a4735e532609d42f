"""The seat of the recommender's user: a person takes or skips items, beside what the LE says."""
