"""Evaluation: ranking of logged items, returns in the environments, fidelity of simulators."""
