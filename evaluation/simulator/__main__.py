"""`python -m evaluation.simulator`: serve one world to CARLA clients."""

from __future__ import annotations

import argparse
import sys

from evaluation.simulator.options import add_arguments, options_from
from evaluation.simulator.server import serve


def main() -> int:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.simulator", description=__doc__)
    add_arguments(parser)
    return serve(options_from(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
