"""Simulated users: the interface of simulators, and its implementations."""
