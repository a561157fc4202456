"""Predictions against recorded frames, without a simulator."""
