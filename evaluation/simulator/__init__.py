"""A simulator small enough for a laptop that speaks CARLA's client protocol."""
