"""The slate environment, in which an agent shows lists of items to simulated users."""
