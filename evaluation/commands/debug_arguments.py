"""Arguments of debug sessions, for the verbs that drive."""

from __future__ import annotations

import argparse
from pathlib import Path

from evaluation.closed_loop.debug_session import DebugSession


def add_debug_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("debug sessions (need the extra `debug`)")
    group.add_argument("--viewer", choices=("rerun",), help="show the drive live in Rerun's viewer")
    group.add_argument(
        "--record", type=Path, metavar="FILE.rrd", help="the same into a file: rerun FILE.rrd"
    )
    group.add_argument(
        "--predict",
        metavar="CONFIG",
        help="with --viewer or --record: what the learned agent of this config (a checkpoint, or "
        "'' for the shipped one) would do, beside what the driver does",
    )


def debug_session_of(parsed: argparse.Namespace, inputs: Path | None = None) -> DebugSession:
    """Raises ViewerError for what cannot be shown; starts the viewer where
    none runs yet."""
    from evaluation.closed_loop.observers.rerun_viewer import require_recording, start_viewer

    require_recording(parsed.record, parsed.viewer is not None, parsed.predict is not None)
    return DebugSession(
        recording=parsed.record,
        viewer=start_viewer() if parsed.viewer else None,
        predict=parsed.predict,
        inputs=inputs,
    )
