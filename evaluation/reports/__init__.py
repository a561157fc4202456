"""Pages that show what was measured."""
