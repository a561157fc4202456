"""Built towns on disk: the same town again, and never a wrong or a broken one."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import shapely

from evaluation.simulator.town import cache
from evaluation.simulator.town.cache import VARIABLE, cached
from evaluation.simulator.town.ground import Ground
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.town.town_file import TownFileError, read_town_file, write_town_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "towns"


def assert_same(one: Any, other: Any, where: str = "town") -> None:
    """Types and all bits are equal."""
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)
        assert other.flags.writeable, where
    elif isinstance(one, shapely.Geometry):
        assert one.wkb == other.wkb, where
    elif isinstance(one, Ground):
        assert_same(tuple(one.parts()), tuple(other.parts()), where)
    elif is_dataclass(one):
        for item in fields(one):
            if item.name != "map":
                name = item.name
                assert_same(getattr(one, name), getattr(other, name), f"{where}.{name}")
    elif isinstance(one, dict):
        assert_same(tuple(one.items()), tuple(other.items()), where)
    elif isinstance(one, tuple):
        assert len(one) == len(other), where
        for index, (first, second) in enumerate(zip(one, other, strict=True)):
            assert_same(first, second, f"{where}[{index}]")
    else:
        assert one == other, where


@pytest.fixture
def built(tiny_towns: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "")
        return load_town(str(tiny_towns / "tiny.xodr"), 3)


def test_a_town_from_disk_is_the_town(built: Town, tiny_towns: Path, folder: Path) -> None:
    spec = str(tiny_towns / "tiny.xodr")
    assert_same(built, load_town(spec, 3))
    assert len(list(folder.iterdir())) == 1
    from_disk = load_town(spec, 3)
    assert_same(built, from_disk)
    assert from_disk.map.to_opendrive() == built.map.to_opendrive()


def test_nothing_is_built_again(folder: Path) -> None:
    def never() -> dict[str, Any]:
        raise AssertionError("built again")

    first = cached((b"map", b"0"), lambda: {"notices": ("one", "two")})
    assert cached((b"map", b"0"), never) == first
    # Where one part ends and the next begins counts.
    with pytest.raises(AssertionError, match="built again"):
        cached((b"map0", b""), never)
    assert len(list(folder.iterdir())) == 1


def test_other_code_builds_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached((b"map",), lambda: {"notices": ("old",)})
    monkeypatch.setattr(cache, "_code", lambda: b"another version")
    assert cached((b"map",), lambda: {"notices": ("new",)}) == {"notices": ("new",)}
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("keep", [0, 20, 40, -1])
def test_a_damaged_file_is_replaced(
    folder: Path, keep: int, caplog: pytest.LogCaptureFixture
) -> None:
    cached((b"map",), lambda: {"notices": ("one",)})
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:keep])
    with caplog.at_level(logging.WARNING):
        assert cached((b"map",), lambda: {"notices": ("one",)}) == {"notices": ("one",)}
    assert "is built anew" in caplog.text
    assert path.read_bytes() == whole


def test_only_parts_of_towns_are_made(tmp_path: Path) -> None:
    path = tmp_path / "evil.town"
    with pytest.raises(TypeError, match="no part of a town: set"):
        write_town_file(path, {"notices": {1}})
    write_town_file(path, {"notices": ("fine",)})
    assert read_town_file(path) == {"notices": ("fine",)}
    # A class that is not on the list, in a file that is whole.
    data = msgpack.packb({"notices": ["object", "Path", [["tuple", []]]]})
    path.write_bytes(hashlib.sha256(data).digest() + data)
    with pytest.raises(TownFileError, match="holds no town"):
        read_town_file(path)


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert cached((b"map",), lambda: {"notices": ()}) == {"notices": ()}


def test_empty_switches_it_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cached((b"map",), lambda: {"notices": ()}) == {"notices": ()}
    assert not list(tmp_path.iterdir())


def test_what_was_not_used_for_longest_makes_room(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for age, name in ((300, b"oldest"), (200, b"middle"), (100, b"used")):
        cached((name,), lambda: {"notices": ("x" * 1000,)})
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        os.utime(newest, (newest.stat().st_mtime - age,) * 2)
    monkeypatch.setattr(cache, "LIMIT_BYTES", 3500)
    cached((b"oldest",), dict)
    cached((b"new",), lambda: {"notices": ("x" * 1000,)})
    left = {cache._key((name,)) for name in (b"oldest", b"used", b"new")}
    assert {path.stem for path in folder.iterdir()} == left
