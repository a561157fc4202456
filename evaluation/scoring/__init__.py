"""What a drive is worth: criteria, penalties, measures."""
