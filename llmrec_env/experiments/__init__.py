"""Programs that use the whole library: the demo, and studies of recommenders."""
