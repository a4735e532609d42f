"""Simulated users: the interface, and who implements it."""
