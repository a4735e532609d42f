"""Gymnasium environments: recommending to simulated users, and shopping for an instruction."""
