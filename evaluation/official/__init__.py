"""Other people's evaluators, unchanged, on the embedded simulator."""
