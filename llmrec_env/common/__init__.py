"""What every floor of the package shares: errors, files, progress bars, optional extras, training."""
