"""The state of the simulated world and one step of it."""
