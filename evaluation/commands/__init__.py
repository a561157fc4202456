"""The verbs of `python -m evaluation`, one file each: HELP, add_arguments and run."""
