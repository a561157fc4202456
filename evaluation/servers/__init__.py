"""Simulators to drive in: started here, or reached over the network."""
