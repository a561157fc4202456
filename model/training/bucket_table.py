"""Tables of buckets that were made elsewhere: bucket -> paths of its samples.

SimLingo (repository RenzKa/simlingo) stores its buckets as a pickle. A pickle can run any code when
it is read, so only containers, strings, numbers and numpy arrays are let in.
"""

from __future__ import annotations

import fnmatch
import json
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from model.training.buckets import Buckets
from model.training.index import DatasetError, DatasetIndex

# The shares of SimLingo-Base's training; the first pattern that fits counts.
UPSTREAM_WEIGHTS = {
    "all": 0.082,
    "acceleration_*": 0.03,
    "lateral_control_1_2": 0.12,
    "lateral_control_higher_5": 0.12,
    "start_from_stop": 0.07,
    "vehicle_front": 0.04,
    "vehicle_side": 0.08,
    "leading_object_vehicle": 0.09,
    "leading_object_traffic.stop": 0.07,
    "leading_object_*traffic_light": 0.07,
    "leading_object_walker": 0.05,
    "changed_route": 0.08,
    "parkinglane": 0.008,
}
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


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to call {module}.{name}, which is not allowed")
        return super().find_class(module, name)


def read_table(path: Path) -> dict[str, list[str]]:
    """A table from SimLingo's pickle (``.pkl``) or from JSON, with paths as text.

    Raises:
        DatasetError: a file that is no such table, or a pickle that would run code.
    """
    try:
        with path.open("rb") as file:
            content = _PlainUnpickler(file).load() if path.suffix == ".pkl" else json.load(file)
        if not isinstance(content, Mapping):
            raise TypeError(f"expected a table of buckets, got {type(content).__name__}")
        return {str(name): [_text(p) for p in paths] for name, paths in content.items()}
    except (OSError, EOFError, pickle.UnpicklingError, ValueError, TypeError, AttributeError) as e:
        raise DatasetError(f"{path}: {e}") from e


def write_table(path: Path, table: Mapping[str, Iterable[str]]) -> None:
    """The table as JSON, which :func:`read_table` reads."""
    plain = {name: list(paths) for name, paths in table.items()}
    path.write_text(json.dumps(plain), encoding="utf-8")


def match(index: DatasetIndex, table: Mapping[str, Iterable[str]]) -> Buckets:
    """Which frames of the index are in which bucket of the table.

    A path counts by what follows ``data/simlingo/`` and by its frame's number; the folder that the
    file is in (``rgb``, ``measurements``) and its ending do not matter. Paths of frames that the
    index lacks are passed over.

    Raises:
        DatasetError: not one path is in the index.
    """
    rows = {
        (_within_dataset(str(index.drives[drive])), int(frame)): row
        for row, (drive, frame) in enumerate(zip(index.drive, index.frame, strict=True))
    }
    member = np.zeros((len(index), len(table)), dtype=np.bool_)
    for column, paths in enumerate(table.values()):
        for path in paths:
            row = rows.get(_key(path))
            if row is not None:
                member[row, column] = True
    if not member.any():
        raise DatasetError("the table of buckets names not one frame of the dataset")
    return Buckets(tuple(table), member)


def upstream_weights(names: Iterable[str]) -> tuple[float, ...]:
    """SimLingo's share for each bucket, 0 for one that it does not know."""
    return tuple(
        next((w for pattern, w in UPSTREAM_WEIGHTS.items() if fnmatch.fnmatch(name, pattern)), 0.0)
        for name in names
    )


def _key(path: str) -> tuple[str, int]:
    parts = PurePosixPath(path)
    number = parts.name.split(".")[0]
    return _within_dataset(str(parts.parent.parent)), int(number) if number.isdigit() else -1


def _within_dataset(folder: str) -> str:
    return folder.rpartition(DATASET_FOLDER)[2].strip("/")


def _text(path: object) -> str:
    return path.decode() if isinstance(path, bytes) else str(path)
