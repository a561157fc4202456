"""Recordings: CARLA's recorder file written, read, summed up and played back."""
