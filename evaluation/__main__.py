"""Drive agents in closed loop.

python -m evaluation drive                     the demo route with the learned agent
python -m evaluation evaluate --routes FILE    many routes, many workers, repeated
python -m evaluation routes --out FILE.xml     write random routes
python -m evaluation maps FILE...              what is understood of OpenDRIVE files
python -m evaluation collect --out DIR         record training data with the expert
python -m evaluation replay SESSION            run recorded inputs through a checkpoint again
python -m evaluation open-loop --run DIR       judge a checkpoint on recorded frames
python -m evaluation score FILE --protocol P   what results files come to
python -m evaluation compare A B               whether run B is worse than run A
python -m evaluation merge A B --out FILE      one results file of several
python -m evaluation report DIR                a page of a run: scores, maps, curves, videos
python -m evaluation serve --port 2000         a simulator for CARLA clients
python -m evaluation leaderboard --routes ...  the official evaluator on that simulator
python -m evaluation doctor                    what would spoil a long run, before it starts
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Protocol, TextIO

from evaluation.commands import (
    collect,
    compare,
    doctor,
    drive,
    evaluate,
    leaderboard,
    maps,
    merge,
    open_loop,
    replay,
    report,
    routes,
    score,
    serve,
)
from evaluation.errors import UserError

SCRIPT = "simlingo-carla"
"""The console script of an installed wheel."""
INTERRUPTED = 130
CANNOT_BEGIN = 2
NOBODY_READS = 141
"""As a shell tells that a program was ended by SIGPIPE."""


class Command(Protocol):
    """What a module of evaluation.commands offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, parsed: argparse.Namespace) -> int: ...


COMMANDS: dict[str, Command] = {
    "drive": drive,
    "evaluate": evaluate,
    "collect": collect,
    "replay": replay,
    "open-loop": open_loop,
    "score": score,
    "compare": compare,
    "merge": merge,
    "report": report,
    "serve": serve,
    "routes": routes,
    "maps": maps,
    "leaderboard": leaderboard,
    "doctor": doctor,
}


def main(arguments: list[str] | None = None) -> int:
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_closed(sys.stdout):
            raise
        # `| head` has seen enough. What is left is thrown away, or Python would try it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


def _is_closed(stream: TextIO) -> bool:
    """Whether the reader of a pipe has gone. What could not be written may be lost by then, so that
    a second flush would tell nothing."""
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _run(arguments: list[str] | None) -> int:
    parser = build_parser()
    parsed, unknown = parser.parse_known_args(arguments)
    if unknown and parsed.verb != "leaderboard":
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    parsed.passed_on = unknown
    signal.signal(signal.SIGTERM, _on_sigterm)
    # Shells start background jobs deaf to it; who sends it all the same means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return COMMANDS[parsed.verb].run(parsed)
    except UserError as error:
        print(f"{parsed.verb}: {error}", file=sys.stderr)
        return CANNOT_BEGIN
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """Ends in the same order as Ctrl-C."""
    raise KeyboardInterrupt


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=SCRIPT if Path(sys.argv[0]).name == SCRIPT else "python -m evaluation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, command in COMMANDS.items():
        command.add_arguments(verbs.add_parser(verb, help=command.HELP))
    return parser


if __name__ == "__main__":
    sys.exit(main())
