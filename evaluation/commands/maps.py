"""`python -m evaluation maps`: what is understood of OpenDRIVE files."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.routes.map_report import MapReport

HELP = "what is understood of OpenDRIVE files"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Loads each map as the simulator does and prints its roads, lanes, lights and what they "
        "rule, signs, crosswalks, and what was mended, left out or is obeyed by nobody. The exit "
        "code is 0 when all maps load."
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="PATH.xodr, demo, generated:SEED")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.routes.map_report import report_on

    refused = 0
    for report in reports_on(parsed.files, report_on):
        print(report.text(), flush=True)
        refused += report.refusal is not None
    return int(refused > 0)


def reports_on(specs: Sequence[str], report: Callable[[str], MapReport]) -> Iterator[MapReport]:
    """One report a map, made in a child: what the reader lets through and CARLA's map still dies of
    ends the child alone, and is told as a refusal."""
    from evaluation.routes.map_report import MapReport

    waiting = list(specs)
    while waiting:
        with ProcessPoolExecutor(1, get_context("spawn"), initializer=_be_quiet) as child:
            try:
                while waiting:
                    yield child.submit(report, waiting[0]).result()
                    waiting.pop(0)
            except BrokenProcessPool:
                reason = "CARLA's map ended the process that loaded it; please report the file"
                yield MapReport(waiting.pop(0), reason)


def _be_quiet() -> None:
    """Reports hold the notices that are logged; the wheel's own prints tell nothing more."""
    logging.disable(logging.WARNING)
    sys.stdout.flush()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
