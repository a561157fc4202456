"""Vehicles: what they are made of and how they move."""

from evaluation.simulator.physics.vehicle.fleet import VehicleFleet
from evaluation.simulator.physics.vehicle.spec import Gear, VehicleSpec

__all__ = ["Gear", "VehicleFleet", "VehicleSpec"]
