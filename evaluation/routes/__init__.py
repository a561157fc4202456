"""Which way to drive, on which map."""
