"""What is watched and kept of a drive beside its results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from evaluation.closed_loop.hands import HandsSettings


@dataclass(frozen=True)
class DebugSession:
    """What was asked for.

    recording: file for Rerun's timeline; viewer: address of a running Rerun viewer; predict: config
    of the learned agent that is asked for its plans beside the driver, None: nobody is; inputs:
    folder for every tick's inputs; saves: files by the route's time, in seconds, at which the drive
    is saved; hands: of a person who may take over.
    """

    recording: Path | None = None
    viewer: str | None = None
    predict: str | None = None
    inputs: Path | None = None
    saves: tuple[tuple[float, Path], ...] = ()
    hands: HandsSettings | None = None

    @property
    def is_shown(self) -> bool:
        """Whether anything goes to Rerun."""
        return self.recording is not None or self.viewer is not None

    def of_route(self, name: str) -> DebugSession:
        """For one of several routes: files and folders with its name in them."""
        return replace(
            self,
            recording=None
            if self.recording is None
            else self.recording.with_stem(f"{self.recording.stem}_{name}"),
            inputs=None if self.inputs is None else self.inputs / name,
            saves=tuple(
                (time_s, path.with_stem(f"{path.stem}_{name}")) for time_s, path in self.saves
            ),
        )
