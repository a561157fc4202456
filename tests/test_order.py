"""Long files are begun early where several processes share a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from tests.order import long_files_first


def test_a_file_with_one_slow_test_comes_before_one_with_many_fast_ones() -> None:
    files = ["few.py"] * 2 + ["many.py"] * 5 + ["drive.py"] + ["drives.py"] * 3
    items = [SimpleNamespace(path=Path(file), number=at) for at, file in enumerate(files)]
    slow = [items[7], *items[9:]]
    ordered = long_files_first(items, slow)  # type: ignore[arg-type]
    assert [item.number for item in ordered] == [8, 9, 10, 7, 2, 3, 4, 5, 6, 0, 1]  # type: ignore[attr-defined]
