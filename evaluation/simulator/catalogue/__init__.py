"""What can be spawned: blueprints and their attributes."""
