"""Recording training data with the expert."""
