"""Vehicles: what they are made of and how they move."""

from evaluation.simulator.vehicle.fleet import VehicleFleet
from evaluation.simulator.vehicle.spec import Gear, VehicleSpec

__all__ = ["Gear", "VehicleFleet", "VehicleSpec"]
