"""Collisions: contacts between bodies and with the town, and what they do."""

from evaluation.simulator.physics.collision.detector import CollisionDetector, Contact

__all__ = ["CollisionDetector", "Contact"]
