"""Fixtures for the tests of any CARLA project: a simulator, a world, a town, without a GPU."""
