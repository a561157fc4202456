"""Recordings on disk: where they lie, and how they are read frame by frame."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from evaluation.simulator.recording.log_format import (
    PACKET_BYTES,
    FrameStart,
    LogHeader,
    Packet,
    read_frame,
    read_header,
    read_packet_head,
)
from evaluation.simulator.wire.codec import describe
from evaluation.simulator.wire.errors import CallError

MOST_FILE_BYTES = 1 << 29
"""An hour of a hundred vehicles and fifty lights is 200 MB, by CARLA's documentation."""
MOST_FILES = 1000
MOST_FRAME_BYTES = 1 << 24
_MOST_HEADER_BYTES = 1 << 10
_NAME = re.compile(r"[\w][\w .+-]{0,127}", re.ASCII)


class Frame(NamedTuple):
    """One frame: how it begins, and its packets (kind, content) in their order."""

    start: FrameStart
    packets: tuple[tuple[int, bytes], ...]


class LogFolder:
    """The only folder in which recordings are written and read.

    Args:
        folder: None where the simulator was started without one.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the place of a recording that a client names.

        The name is that of a file in the folder, with or without the folder before it.

        Raises:
            CallError: there is no folder, or the name leads out of it.
        """
        if self._folder is None:
            raise CallError(
                "recordings have no folder: start the simulator with --recordings FOLDER"
            )
        folder = self._folder.resolve()
        head, _, tail = name.rpartition("/")
        if not _NAME.fullmatch(tail) or (head and os.path.normpath(head) != str(folder)):
            raise CallError(
                f"recording {describe(name)}: expected the name of a file, which will be in "
                f"{folder} (letters, digits, '.', '_', '-', '+' and blanks)"
            )
        return folder / tail

    def create(self, name: str) -> tuple[Path, BinaryIO]:
        """Open a new recording, in place of one of the same name; return where it is, too.

        Raises:
            CallError: the file cannot be written, or there are too many.
        """
        path = self.path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() and len(os.listdir(path.parent)) >= MOST_FILES:
                raise CallError(f"{path.parent} holds {MOST_FILES} files already: remove some")
            # A link in the folder may not lead out of it.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            return path, os.fdopen(os.open(path, flags, 0o644), "wb")
        except OSError as error:
            raise CallError(f"{path} cannot be written: {error.strerror}") from error


class LogReader:
    """One recording that is open.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedLogError: it is no recording.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except FileNotFoundError:
            raise
        except OSError as error:
            raise CallError(f"{path} cannot be read: {error.strerror}") from error
        try:
            self.header, self._begin = self._read_header()
        except CallError:
            self._file.close()
            raise

    def _read_header(self) -> tuple[LogHeader, int]:
        return read_header(self._file.read(_MOST_HEADER_BYTES))

    def __enter__(self) -> LogReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def frames(self, wanted: frozenset[Packet]) -> Iterator[Frame]:
        """Yield the frames from the first one, with those packets that are wanted.

        A recording that was cut off ends with its last whole frame.
        """
        self._file.seek(self._begin)
        start: FrameStart | None = None
        packets: list[tuple[int, bytes]] = []
        room = MOST_FRAME_BYTES
        while len(head := self._file.read(PACKET_BYTES)) == PACKET_BYTES:
            kind, size = read_packet_head(head)
            if kind in wanted or kind == Packet.FRAME_START:
                room -= size
                content = self._file.read(size) if room >= 0 else b""
                if len(content) < size:
                    return
                if kind == Packet.FRAME_START:
                    start, packets, room = read_frame(content), [], MOST_FRAME_BYTES
                else:
                    packets.append((kind, content))
            else:
                self._file.seek(size, os.SEEK_CUR)
            if kind == Packet.FRAME_END and start is not None:
                yield Frame(start, tuple(packets))

    def last_frame(self) -> FrameStart:
        """Return how the last frame begins; number 0 where there is none."""
        last = FrameStart(0, 0.0, 0.0)
        for frame in self.frames(frozenset()):
            last = frame.start
        return last
