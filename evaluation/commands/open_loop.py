"""`python -m evaluation open-loop`: judge a checkpoint on recorded frames."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "judge a checkpoint on recorded frames"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compares predictions with what the expert did, on the held-out drives of a training "
        "(--run) or on a whole dataset (--checkpoint and --data). Writes a report with the worst "
        "frames to --out."
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="output folder of a training")
    parser.add_argument("--checkpoint", type=Path, metavar="DIR", help="default: best of --run")
    parser.add_argument("--data", type=Path, metavar="DIR", help="root of a dataset")
    parser.add_argument("--split", default="training", help="of --data")
    parser.add_argument("--out", type=Path, default=Path("out/open_loop"), metavar="DIR")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="frames; 0: all")
    parser.add_argument("--worst", type=int, default=8, metavar="N", help="images of each kind")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N")
    parser.add_argument("--shifted", action="store_true", help="seen from the shifted cameras")
    parser.add_argument("--blackout", action="store_true", help="black images, as a control")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")


def run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from evaluation.open_loop.open_loop import open_loop
    from evaluation.open_loop.settings import OpenLoopSettings

    settings = OpenLoopSettings(
        checkpoint=parsed.checkpoint,
        data=parsed.data,
        run=parsed.run,
        split=parsed.split,
        out=parsed.out,
        limit=parsed.limit,
        worst=parsed.worst,
        batch_size=parsed.batch_size,
        shifted=parsed.shifted,
        blackout=parsed.blackout,
        device=parsed.device,
    )
    return open_loop(settings, Console())
