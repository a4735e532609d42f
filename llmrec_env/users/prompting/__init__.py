"""What stands behind users who answer in words: prompts, fences, a model server, kept answers."""
