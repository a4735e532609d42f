"""The door of ``gym.make``: the environments in which a simulated user answers."""
