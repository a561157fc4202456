"""The privileged driver: it reads the simulator's state instead of pictures, and makes labels."""
