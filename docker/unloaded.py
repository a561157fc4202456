"""Takes out of shared libraries what no loader reads: symbol tables, debugging information.

    python3 unloaded.py FOLDER

`strip` does the same, and breaks libraries that wheels are repaired with: those hold sections that
were moved behind the rest of the file, such as carla's. Here nothing that is mapped into memory
changes, nor its place there; only the gaps between it go out of the file, in whole pages.

Form of the file: System V ABI, chapters 4 and 5 (ELF header, program header).
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC = b"\x7fELF\x02\x01"
"""ELF, 64 bits, little-endian."""
SHARED_OBJECT = 3
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
LOADED = 1
PAGE_BYTES = 4096


class Segment(NamedTuple):
    """A line of the program header, in the order of the file."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    file_bytes: int
    memory_bytes: int
    alignment: int


class Kept(NamedTuple):
    """Bytes `start` to `end` of a file, which go to `to` in the new one."""

    start: int
    end: int
    to: int


def without_gaps(library: bytes) -> bytes:
    """The library without what is not mapped; as it is where it is none, or nothing would go."""
    if not library.startswith(MAGIC):
        return library
    header = list(HEADER.unpack_from(library))
    if header[1] != SHARED_OBJECT:
        return library
    place, size, count = header[5], header[9], header[10]
    segments = [Segment(*SEGMENT.unpack_from(library, place + size * at)) for at in range(count)]
    step = max([PAGE_BYTES, *(one.alignment for one in segments if one.kind == LOADED)])
    mapped = [(one.offset, one.offset + one.file_bytes) for one in segments if one.file_bytes]
    kept = list(_packed([(0, place + size * count), *mapped], step, len(library)))

    new = bytearray(kept[-1].to + kept[-1].end - kept[-1].start)
    for part in kept:
        new[part.to : part.to + part.end - part.start] = library[part.start : part.end]
    # Sections are for linkers and debuggers; their table goes with what it lists.
    header[6] = header[12] = header[13] = 0
    HEADER.pack_into(new, 0, *header)
    for at, one in enumerate(segments):
        moved = one._replace(offset=_moved(one, kept, step))
        SEGMENT.pack_into(new, _place(place, kept) + size * at, *moved)
    return bytes(new) if len(new) < len(library) else library


def _packed(ranges: Iterable[tuple[int, int]], step: int, file_bytes: int) -> Iterator[Kept]:
    """What is kept, in whole steps, since a segment's place in the file and its address have to
    agree but for those."""
    merged: list[list[int]] = []
    for start, end in sorted(ranges):
        start = start // step * step
        end = min(-(-end // step) * step, file_bytes)
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    to = 0
    for start, end in merged:
        yield Kept(start, end, to)
        to += -(-(end - start) // step) * step


def _moved(segment: Segment, kept: list[Kept], step: int) -> int:
    if segment.file_bytes:
        return _place(segment.offset, kept)
    return segment.offset % step


def _place(offset: int, kept: list[Kept]) -> int:
    (part,) = (part for part in kept if part.start <= offset < part.end)
    return offset - part.start + part.to


def main(folder: Path) -> None:
    saved = 0
    for file in sorted(folder.rglob("*.so*")):
        if file.is_file() and not file.is_symlink():
            library = file.read_bytes()
            new = without_gaps(library)
            if len(new) < len(library):
                # A new file: somebody may have the old one mapped.
                beside = file.with_name(file.name + ".new")
                beside.write_bytes(new)
                beside.chmod(file.stat().st_mode)
                os.replace(beside, file)
                saved += len(library) - len(new)
    print(f"{saved / 1e6:.0f} MB of symbols and debugging information are gone")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
