"""What every floor shares: errors, files, progress bars, optional extras, the training loop."""
