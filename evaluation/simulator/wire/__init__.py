"""CARLA's messages, byte by byte."""
