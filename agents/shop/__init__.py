"""Agents for ``LLMRec/Shop-v0``: rules, an oracle, and policies that learn to choose actions."""
