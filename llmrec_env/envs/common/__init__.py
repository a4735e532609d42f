"""Code that all environments share: base classes, resets, seeds, time limit, checks, rendering."""
