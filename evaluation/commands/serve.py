"""`python -m evaluation serve`: a world for CARLA clients."""

from __future__ import annotations

import argparse

from evaluation.simulator.options import add_arguments, options_from

HELP = "serve a world to CARLA clients"

__all__ = ["HELP", "add_arguments", "run"]


def run(parsed: argparse.Namespace) -> int:
    from evaluation.simulator.server import serve

    return serve(options_from(parsed))
