"""Instructed shopping: a catalogue, goals, search, pages, rewards, and the environment of them."""
