"""Sensors: what they measure and the stream messages they send."""
