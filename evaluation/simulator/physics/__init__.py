"""How bodies move and collide."""
