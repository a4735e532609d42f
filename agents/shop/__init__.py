"""Agents for ``LLMRec/Shop-v0``: scripted ones, an oracle, and policies that learn."""
