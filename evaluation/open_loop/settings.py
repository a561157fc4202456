"""What is judged in open loop, on which frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evaluation.errors import UserError

MAX_BROKEN_SHARE = 0.05


@dataclass(frozen=True)
class OpenLoopSettings:
    """What is judged on which frames.

    ``run`` is a training's output. Unless ``checkpoint`` is given, its best weights are judged, or
    its last ones where it had no validation; unless ``data`` is given, on the drives that it held
    out. ``data`` is the root of a dataset: every frame of its ``split`` is judged. Without ``run``,
    both must be given. ``limit``: at most so many frames, evenly spread (0: all). ``shifted``: seen
    from the shifted cameras. ``blackout``: black images, as a control. ``device``: ``cpu``,
    ``cuda``, ``cuda:N`` or ``auto``.
    """

    checkpoint: Path | None
    data: Path | None
    run: Path | None
    split: str
    out: Path
    limit: int
    worst: int
    batch_size: int
    shifted: bool
    blackout: bool
    device: str

    def __post_init__(self) -> None:
        for name, fewest in (("batch_size", 1), ("limit", 0), ("worst", 0)):
            if getattr(self, name) < fewest:
                option, got = name.replace("_", "-"), getattr(self, name)
                raise UserError(f"--{option}: expected at least {fewest}, got {got}")
