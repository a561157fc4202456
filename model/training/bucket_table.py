"""SimLingo's table of buckets, to be sampled from in place of buckets of our own.

SimLingo (repository RenzKa/simlingo) writes its table with ``carla_get_buckets.py`` into
``buckets_paths.pkl``: bucket -> paths of its frames' measurements. A training reads it as it is, or
converted, once, to a form that other programs can read and that is no pickle::

    python -m model.training.bucket_table buckets_paths.pkl --to buckets.npz
    python -m model.training data.bucket_table=buckets.npz data.root=DIR

``.npz`` stores each path once and is small; ``.json`` is the plain table, for the eye.

A pickle can run any code when it is read, so only containers, strings, numbers and numpy arrays are
let in.
"""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model.training.buckets import Buckets
from model.training.index import DatasetError, DatasetIndex

logger = logging.getLogger(__name__)

# The buckets of SimLingo-Base's configuration. Their weights sum to 1 and are dealt out as shares
# of the samples. (SimLingo's own sampler gives the weight to every frame of a bucket, whereby a
# large bucket is drawn more often than its weight says.)
UPSTREAM_WEIGHTS = {
    "all": 0.082,
    "acceleration_negative_5": 0.03,
    "acceleration_negative_1": 0.03,
    "acceleration_positive_1": 0.03,
    "acceleration_positive_5": 0.03,
    "lateral_control_1_2": 0.12,
    "lateral_control_higher_5": 0.12,
    "start_from_stop": 0.07,
    "vehicle_front": 0.04,
    "vehicle_side": 0.08,
    "leading_object_vehicle": 0.09,
    "leading_object_traffic.stop": 0.07,
    "leading_object_traffic.traffic_light": 0.07,
    "leading_object_walker": 0.05,
    "changed_route": 0.08,
    "parkinglane": 0.008,
}
# Where the table has other names than the configuration: there a bin is called by its upper edge,
# so that lateral_control_5 is 2 to 5 m. ``all`` is in no table. The rest are the same in both.
PARTS: dict[str, tuple[str, ...]] = {
    "all": (),
    "acceleration_negative_5": ("acceleration_-5",),
    "acceleration_negative_1": ("acceleration_-1",),
    "acceleration_positive_1": ("acceleration_5",),
    "acceleration_positive_5": ("acceleration_20",),
    "lateral_control_1_2": ("lateral_control_1", "lateral_control_2"),
    "lateral_control_higher_5": ("lateral_control_5", "lateral_control_1000000"),
}
# A table that knows less of the frames than this was made for other data.
MIN_KNOWN_SHARE = 0.5
DATASET_FOLDER = "data/simlingo/"
ALLOWED = {
    (module, name)
    for package in ("numpy.core", "numpy._core")
    for module, name in (
        (f"{package}.multiarray", "_reconstruct"),
        (f"{package}.multiarray", "scalar"),
        (f"{package}.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("collections", "OrderedDict"),
    )
}
# What damaged files make their readers raise.
UNREADABLE = (
    EOFError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True)
class BucketTable:
    """``paths`` by the names of the buckets, as the file ``source`` has them."""

    source: Path
    paths: Mapping[str, Sequence[str]]


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which is not allowed")
        return super().find_class(module, name)


def read_table(path: Path) -> BucketTable:
    """SimLingo's pickle (``.pkl``), or what :func:`write_table` wrote.

    Raises:
        DatasetError: a file that is no such table, or a pickle that would run code; names the file,
            and the bucket where it is the one at fault.
    """
    readers = {".pkl": _read_pickle, ".json": _read_json, ".npz": _read_npz}
    if path.suffix not in readers:
        raise DatasetError(f"{path}: expected a table of buckets in {', '.join(readers)}")
    try:
        content = readers[path.suffix](path)
        if not isinstance(content, Mapping):
            raise TypeError(f"expected a table of buckets, got {type(content).__name__}")
        paths = {_name(name): _paths(name, value) for name, value in content.items()}
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise DatasetError(f"{path}: {error or type(error).__name__}") from error
    return BucketTable(path, paths)


def write_table(path: Path, paths: Mapping[str, Sequence[str]]) -> None:
    """Write a table as ``.npz`` or ``.json``; the file is there whole or not at all.

    Raises:
        DatasetError: another ending, or a file that cannot be written.
    """
    writers = {".npz": _write_npz, ".json": _write_json}
    if path.suffix not in writers:
        raise DatasetError(f"{path}: expected a name that ends in {' or '.join(writers)}")
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    try:
        writers[path.suffix](partial, paths)
        partial.replace(path)
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}") from error


def match(index: DatasetIndex, table: BucketTable) -> Buckets:
    """Which frames of the index are in which bucket of SimLingo's configuration.

    ``all`` has every frame of the index. A path counts by what follows ``data/simlingo/`` and by
    its frame's number; the folder that the file is in (``rgb``, ``measurements``) and its ending do
    not matter. What does not match is logged with its number: paths of drives that the index lacks,
    frames of drives that the table lacks, buckets that the table lacks. Frames of known drives that
    the index has not, say those held out for validation, are passed over.

    Raises:
        DatasetError: the table lacks all buckets, or more than half of the frames are of drives
            that it does not name.
    """
    names = tuple(UPSTREAM_WEIGHTS)
    columns = {part: column for column, name in enumerate(names) for part in _parts(name)}
    if not columns.keys() & table.paths.keys():
        raise DatasetError(
            f"{table.source}: not one bucket of SimLingo's, say {next(iter(columns))}, among the "
            f"{len(table.paths)} in the table: {', '.join(list(table.paths)[:5])}"
        )
    drives = [_within_dataset(str(drive)) for drive in index.drives]
    rows = {
        (drives[drive], int(frame)): row
        for row, (drive, frame) in enumerate(zip(index.drive, index.frame, strict=True))
    }
    member = np.zeros((len(index), len(names)), dtype=np.bool_)
    member[:, names.index("all")] = True
    named: dict[str, int] = {}
    for bucket, paths in table.paths.items():
        column = columns.get(bucket)
        for path in paths:
            drive, frame = _key(path)
            named[drive] = named.get(drive, 0) + 1
            row = rows.get((drive, frame))
            if row is not None and column is not None:
                member[row, column] = True
    _compare(index, table, drives, named)
    return Buckets(names, member)


def upstream_weights(names: Iterable[str]) -> tuple[float, ...]:
    """SimLingo's share for each of its buckets."""
    return tuple(UPSTREAM_WEIGHTS[name] for name in names)


def missing_buckets(paths: Collection[str]) -> list[str]:
    """Those of SimLingo's buckets, as the table calls them, that are not among ``paths``."""
    return [part for name in UPSTREAM_WEIGHTS for part in _parts(name) if part not in paths]


def _compare(
    index: DatasetIndex, table: BucketTable, drives: Sequence[str], named: Mapping[str, int]
) -> None:
    """Log what of the table and of the index has no counterpart; too much of it is an error."""
    missing = missing_buckets(table.paths)
    if missing:
        logger.warning(
            "%s: the table lacks %s; the others get their weight", table.source, ", ".join(missing)
        )
    known = set(drives)
    strangers = {drive: count for drive, count in named.items() if drive not in known}
    if strangers:
        logger.warning(
            "%s: %d of %d paths are of %d drives that the dataset lacks or has left out, the first "
            "of them: %r",
            table.source,
            sum(strangers.values()),
            sum(named.values()),
            len(strangers),
            next(iter(strangers)),
        )
    frames = np.bincount(index.drive, minlength=len(drives))
    unnamed = [
        (drive, int(count))
        for drive, count in zip(drives, frames, strict=True)
        if count and drive not in named
    ]
    if not unnamed:
        return
    lost = sum(count for _, count in unnamed)
    found = (
        f"{table.source}: {lost} of {len(index)} frames of the dataset are of {len(unnamed)} "
        f"drives that the table does not name, the first of them: {unnamed[0][0]!r}"
    )
    if lost > (1.0 - MIN_KNOWN_SHARE) * len(index):
        example = next(iter(named), "no path at all")
        raise DatasetError(f"{found}. It was made for other data; it names {example!r}")
    logger.warning("%s; they are in the bucket 'all' only", found)


def _parts(name: str) -> tuple[str, ...]:
    return PARTS.get(name, (name,))


def _key(path: str) -> tuple[str, int]:
    folder, _, name = path.rpartition("/")
    number = name.partition(".")[0]
    drive = _within_dataset(folder.rpartition("/")[0])
    return drive, int(number) if number.isdecimal() else -1


def _within_dataset(folder: str) -> str:
    return folder.rpartition(DATASET_FOLDER)[2].strip("/")


def _read_pickle(path: Path) -> object:
    with path.open("rb") as file:
        return _PlainUnpickler(file).load()


def _read_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def _read_npz(path: Path) -> object:
    with np.load(path, allow_pickle=False) as arrays:
        texts = [text.decode() for text in arrays["paths"].tolist()]
        bucket, number = arrays["bucket"], arrays["path"]
        names = arrays["names"].tolist()
    return {name: [texts[n] for n in number[bucket == row]] for row, name in enumerate(names)}


def _write_json(path: Path, paths: Mapping[str, Sequence[str]]) -> None:
    plain = {name: list(values) for name, values in paths.items()}
    path.write_text(json.dumps(plain), encoding="utf-8")


def _write_npz(path: Path, paths: Mapping[str, Sequence[str]]) -> None:
    places: dict[str, int] = {}
    for values in paths.values():
        for text in values:
            places.setdefault(text, len(places))
    sizes = np.array([len(values) for values in paths.values()], dtype=np.intp)
    # Bytes, because numpy's strings take four for each letter.
    np.savez_compressed(
        path,
        names=np.array(list(paths), dtype=np.str_),
        paths=np.array([text.encode() for text in places], dtype=np.bytes_),
        bucket=np.repeat(np.arange(len(paths), dtype=np.int32), sizes),
        path=np.array([places[t] for values in paths.values() for t in values], dtype=np.int32),
    )


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"expected buckets with names, got {name!r}")
    return str(name)


def _paths(name: str, value: object) -> list[str]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise TypeError(f"bucket {name!r}: expected a list of paths, got {type(value).__name__}")
    for path in value:
        if not isinstance(path, (str, bytes)):
            raise TypeError(f"bucket {name!r}: expected paths, got {path!r}")
    return [path.decode() if isinstance(path, bytes) else str(path) for path in value]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m model.training.bucket_table",
        description="Convert SimLingo's table of buckets, a pickle, to a file that runs no code.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE.pkl", help="buckets_paths.pkl")
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="TABLE.npz (small) or TABLE.json"
    )
    parsed = parser.parse_args(arguments)
    try:
        paths = read_table(parsed.source).paths
        write_table(parsed.to, paths)
    except DatasetError as error:
        sys.exit(f"error: {error}")
    print(f"{parsed.to}: {len(paths)} buckets, {sum(map(len, paths.values()))} paths")
    missing = missing_buckets(paths)
    if missing:
        print(f"without these of SimLingo's: {', '.join(missing)}")


if __name__ == "__main__":
    main()
