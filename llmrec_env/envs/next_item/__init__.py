"""The next-item environment, in which an agent recommends items to simulated users."""
