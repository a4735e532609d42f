"""Recommending the next item to simulated users: rules, observations, infos, environments."""
