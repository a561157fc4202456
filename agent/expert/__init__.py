"""The privileged driver: it reads the simulator's state instead of images, and makes labels."""
