"""Towns that were built before, kept on disk.

What a town is made of follows from its map, the seed and this package's code: their hash names the
file, so that a change of any of them builds anew. `SIMLINGO_CACHE` names another folder than
~/.cache/simlingo-carla (or XDG_CACHE_HOME's); empty, it switches the cache off.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from evaluation.simulator.town.town_file import TownFileError, read_town_file, write_town_file

logger = logging.getLogger(__name__)

VARIABLE = "SIMLINGO_CACHE"
LIMIT_BYTES = 1_000_000_000
"""Beyond it the towns that were not loaded for longest go; chosen: a hundred of CARLA's largest."""
_LIBRARIES = ("carla", "numpy", "scipy", "shapely")
_SUFFIX = ".town"


def cached(sources: tuple[bytes, ...], build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The fields of the town that `build` makes of `sources`, from disk where they are there.

    A file that cannot be read is replaced, and a folder that cannot be written is done without.
    """
    folder = _folder()
    if folder is None:
        return build()
    path = folder / f"{_key(sources)}{_SUFFIX}"
    try:
        content = read_town_file(path)
    except FileNotFoundError:
        pass
    except (OSError, TownFileError) as error:
        logger.warning("a cached town is built anew: %s", error)
    else:
        with suppress(OSError):
            os.utime(path)
        return content
    content = build()
    try:
        _keep(path, content)
    except OSError as error:
        logger.info("towns are not cached: %s", error)
    return content


def _folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) / "towns" if named else None
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(home) / "simlingo-carla" / "towns"


def _key(sources: tuple[bytes, ...]) -> str:
    digest = hashlib.sha256()
    for part in (*sources, _code()):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()[:40]


@cache
def _code() -> bytes:
    """What else decides how a town comes out: this package's files, the records, and libraries."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in (*sorted(package.glob("*.py")), package.parent / "wire" / "codec.py"):
        digest.update(path.name.encode() + path.read_bytes())
    for name in _LIBRARIES:
        digest.update(f"{name}=={version(name)};".encode())
    return digest.digest()


def _keep(path: Path, content: dict[str, Any]) -> None:
    """Write beside and rename, so that no other process reads half a file; then make room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    os.close(handle)
    try:
        write_town_file(Path(name), content)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _make_room(path.parent, LIMIT_BYTES)


def _make_room(folder: Path, limit_bytes: int) -> None:
    """Remove the files that were used longest ago, until the others fit."""
    files = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            state = path.stat()
            files.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= limit_bytes:
            break
        path.unlink(missing_ok=True)
        total -= size
