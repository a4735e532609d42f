"""Helpers shared by all subpackages: errors, files, progress bars, optional extras, training."""
