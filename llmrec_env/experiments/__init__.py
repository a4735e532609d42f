"""Whole experiments with their reports: the demo, and studies of recommenders."""
