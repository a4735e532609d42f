"""Helpers that every room shares: errors, files, progress bars, optional extras, training."""
