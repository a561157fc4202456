"""Whether two runs were asked for the same: what a drive, a collection and a training must not
change when they go on where they were stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ABSENT = "absent"
DIGEST_DIGITS = 12
"""Hexadecimal digits of a content's hash that are kept: 48 bits tell files of one project apart."""
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Difference:
    """One condition that has changed. path: its keys from the outside in."""

    path: tuple[str, ...]
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{' '.join(self.path)} was {self.then}, is {self.now}"


def differences(
    then: Mapping[str, Any], now: Mapping[str, Any], strict: bool = True
) -> list[Difference]:
    """In which conditions two runs differ, in the order of their keys; mappings are compared key by
    key, everything else as a whole.

    strict: a condition that only one of them knows is a difference too; otherwise it is one that
    the program has learned, or forgotten, since.
    """
    return list(_differences((), then, now, strict))


def _differences(
    path: tuple[str, ...], then: Mapping[str, Any], now: Mapping[str, Any], strict: bool
) -> Iterable[Difference]:
    for key in [*now, *(key for key in then if key not in now)]:
        old, new = then.get(key, ABSENT), now.get(key, ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences((*path, key), old, new, strict)
        elif old != new and (strict or (key in then and key in now)):
            yield Difference((*path, key), old, new)


def file_digest(path: Path) -> str:
    """Hash of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:DIGEST_DIGITS]


def text_digest(text: str) -> str:
    """Hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def digests(path: Path, pattern: str = "*") -> dict[str, str]:
    """Hashes by name: of a file, or of all files of a folder that match, folders below included.

    What a folder's README.md says, a model card for one, changes nothing and is left out.
    """
    if path.is_file():
        return {path.name: file_digest(path)}
    files = sorted(
        one
        for one in path.rglob(pattern)
        if one.is_file() and "__pycache__" not in one.parts and one.suffix != ".md"
    )
    return {one.relative_to(path).as_posix(): file_digest(one) for one in files}
