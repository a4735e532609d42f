"""Evaluation: ranking of held-out items, returns in the environments, fidelity of simulators."""
