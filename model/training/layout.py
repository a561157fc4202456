"""What a training leaves in its output folder, besides its state and its curves."""

SETTINGS_FILE = "settings.yaml"
INDEX_FILE = "index.npz"
# The dataset of a training that was given none.
MADE_UP_DATA = "synthetic"
# Checkpoints: the lowest validation loss, and the end.
BEST = "best"
EXPORTED = "checkpoint"
