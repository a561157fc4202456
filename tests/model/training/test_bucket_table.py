"""Tables of buckets from elsewhere, and pickles that want too much."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from model.training.bucket_table import (
    UPSTREAM_WEIGHTS,
    BucketTable,
    main,
    match,
    read_table,
    upstream_weights,
    write_table,
)
from model.training.buckets import draw_weights
from model.training.index import DatasetError, DatasetIndex

# What carla_get_buckets.py calls its bins, and some of its other buckets.
LATERAL = tuple(f"lateral_control_{edge}" for edge in ("0.1", 1, 2, 5, 1000000))
ACCELERATION = tuple(f"acceleration_{edge}" for edge in (-40, -20, -5, -1, 1, 5, 20, 40, 1000000))
OTHERS = (
    "brake",
    "changed_route",
    "leading_object_traffic.stop",
    "leading_object_traffic.traffic_light",
    "leading_object_vehicle",
    "leading_object_walker",
    "parkinglane",
    "speed_limit_50",
    "start_from_stop",
    "vehicle_dissapears",
    "vehicle_front",
    "vehicle_side",
)
NAMES = (*LATERAL, *ACCELERATION, *OTHERS)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch it-was-run",)


def path_of(index: DatasetIndex, row: int) -> str:
    drive = index.drives[index.drive[row]]
    return f"database/simlingo_v2/{drive}/measurements/{index.frame[row]:04d}.json.gz"


def table_of(index: DatasetIndex, more: Mapping[str, Sequence[str]] | None = None) -> BucketTable:
    """Upstream's names; the bucket at place n has the index's row n, and one has them all."""
    paths = {name: [path_of(index, row)] for row, name in enumerate(NAMES)}
    paths["speed_limit_50"] = [path_of(index, row) for row in range(len(index))]
    return BucketTable(Path("buckets_paths.pkl"), {**paths, **(more or {})})


def test_reads_a_pickle_of_arrays_and_lists(tmp_path: Path) -> None:
    table = {"all": np.array(["a/rgb/0001.jpg", "b"]), "other": [b"c", "d"], "none": []}
    path = tmp_path / "buckets.pkl"
    path.write_bytes(pickle.dumps(table))
    plain = {"all": ["a/rgb/0001.jpg", "b"], "other": ["c", "d"], "none": []}
    assert read_table(path) == BucketTable(path, plain)


@pytest.mark.parametrize("ending", ["json", "npz"])
@pytest.mark.parametrize(
    "plain", [{"one": ["a/rgb/0001.jpg", "ä"], "none": [], "two": ["c", "a/rgb/0001.jpg"]}, {}]
)
def test_reads_what_it_wrote(tmp_path: Path, ending: str, plain: dict[str, list[str]]) -> None:
    path = tmp_path / f"buckets.{ending}"
    write_table(path, plain)
    assert read_table(path).paths == plain
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"all": [Evil()]}), "system, which is not allowed"),
        (pickle.dumps({"all": np.array([Evil()], dtype=object)}), "not allowed"),
        (pickle.dumps(["no table"]), "expected a table of buckets, got list"),
        (pickle.dumps({"brake": 3}), "bucket 'brake': expected a list of paths, got int"),
        (pickle.dumps({"brake": "a/b"}), "bucket 'brake': expected a list of paths, got str"),
        (pickle.dumps({"brake": ["a/b", 3]}), "bucket 'brake': expected paths, got 3"),
        (pickle.dumps({3: ["a/b"]}), "expected buckets with names, got 3"),
        (pickle.dumps({"brake": ["a/b"]})[:-4], ""),
        (b"no pickle", ""),
        (b"h\x07.", ""),
        (b"", ""),
    ],
)
def test_refuses_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "buckets.pkl"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"buckets\.pkl: .*{message}"):
        read_table(path)
    assert not (tmp_path / "it-was-run").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("buckets.json", b"[]"),
        ("buckets.json", b"{"),
        ("buckets.json", b"\xff"),
        ("buckets.npz", b"PK\x03\x04 damaged"),
        ("buckets.npz", b"no archive"),
        ("buckets.csv", b"all,a/b"),
    ],
)
def test_names_a_damaged_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=f"{name}: "):
        read_table(tmp_path / name)


def test_joins_what_upstream_joins(dataset_index: DatasetIndex) -> None:
    buckets = match(dataset_index, table_of(dataset_index))
    members = {
        name: np.flatnonzero(rows).tolist()
        for name, rows in zip(buckets.names, buckets.member.T, strict=True)
    }
    expected = {name: [NAMES.index(name)] for name in OTHERS if name in UPSTREAM_WEIGHTS}
    expected |= {
        "all": list(range(len(dataset_index))),
        "lateral_control_1_2": [1, 2],
        "lateral_control_higher_5": [3, 4],
        "acceleration_negative_5": [7],
        "acceleration_negative_1": [8],
        "acceleration_positive_1": [10],
        "acceleration_positive_5": [11],
    }
    assert members == expected


def test_every_frame_has_a_chance(dataset_index: DatasetIndex) -> None:
    buckets = match(dataset_index, table_of(dataset_index))
    weights = upstream_weights(buckets.names)
    assert sum(weights) == pytest.approx(1.0)
    chances = draw_weights(buckets, weights, max_repeats=100.0)
    fewest = UPSTREAM_WEIGHTS["all"] / len(dataset_index)
    assert chances.min() == pytest.approx(fewest)
    assert chances[1] == pytest.approx(fewest + UPSTREAM_WEIGHTS["lateral_control_1_2"] / 2)


def test_matches_by_drive_and_number(dataset_index: DatasetIndex) -> None:
    drive = str(dataset_index.drives[1])
    paths = [
        f"database/v2/{drive}/rgb/0012.jpg",
        f"/elsewhere/{drive}/measurements/0013.json.gz",
        f"{drive}/rgb/0001.jpg",
        f"{drive}/rgb/last.jpg",
        "data/simlingo/training/other/drive/rgb/0012.jpg",
    ]
    buckets = match(dataset_index, table_of(dataset_index, {"parkinglane": paths}))
    rows = np.flatnonzero(buckets.member[:, buckets.names.index("parkinglane")])
    assert dataset_index.frame[rows].tolist() == [12, 13]
    assert dataset_index.drive[rows].tolist() == [1, 1]


def test_says_what_does_not_match(
    dataset_index: DatasetIndex, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    whole = table_of(dataset_index)
    match(dataset_index, whole)
    assert not caplog.messages

    first_two = np.flatnonzero(dataset_index.drive < 2)
    paths = {
        "lateral_control_1": [path_of(dataset_index, int(row)) for row in first_two],
        "brake": ["x/data/simlingo/other/drive/rgb/0012.jpg", "nonsense"],
    }
    match(dataset_index, BucketTable(Path("partial.npz"), paths))
    missing, strangers, unnamed = caplog.messages
    assert all(message.startswith("partial.npz: ") for message in caplog.messages)
    assert "lacks acceleration_-5, " in missing
    assert "lateral_control_2" in missing
    assert "lateral_control_1," not in missing
    assert "2 of 30 paths are of 2 drives" in strangers
    assert "'other/drive'" in strangers
    assert "14 of 42 frames of the dataset are of 1 drives" in unnamed


def test_refuses_a_table_for_other_data(dataset_index: DatasetIndex) -> None:
    first = np.flatnonzero(dataset_index.drive < 1)
    paths = {"parkinglane": [path_of(dataset_index, int(row)) for row in first]}
    with pytest.raises(DatasetError, match=r"other\.pkl: 28 of 42 frames .* does not name"):
        match(dataset_index, BucketTable(Path("other.pkl"), paths))
    with pytest.raises(DatasetError, match=r"other\.pkl: 42 of 42 frames .* names 'far/away'"):
        match(
            dataset_index, BucketTable(Path("other.pkl"), {"parkinglane": ["far/away/rgb/1.jpg"]})
        )
    with pytest.raises(DatasetError, match=r"other\.pkl: not one bucket .* table: lanes"):
        match(dataset_index, BucketTable(Path("other.pkl"), {"lanes": paths["parkinglane"]}))


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_converts_from_the_command_line(
    dataset_index: DatasetIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = table_of(dataset_index).paths
    source, converted = tmp_path / "buckets_paths.pkl", tmp_path / "buckets.npz"
    source.write_bytes(pickle.dumps(paths))
    monkeypatch.setattr("sys.argv", ["bucket_table", str(source), "--to", str(converted)])
    main()
    assert capsys.readouterr().out == f"{converted}: {len(NAMES)} buckets, 67 paths\n"
    assert read_table(converted).paths == paths

    source.write_bytes(pickle.dumps({"brake": []}))
    main([str(source), "--to", str(tmp_path / "buckets.json")])
    assert "without these of SimLingo's: acceleration_-5, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "to", "message"),
    [
        ("none.pkl", "buckets.npz", r"none\.pkl: No such file"),
        ("evil.pkl", "buckets.npz", r"evil\.pkl: .* not allowed"),
        ("good.json", "buckets.pkl", r"buckets\.pkl: expected a name that ends in \.npz or \.json"),
        ("good.json", "nowhere/buckets.npz", r"nowhere/buckets\.npz: No such file"),
    ],
)
def test_conversions_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, to: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"all": [Evil()]}))
    (tmp_path / "good.json").write_text("{}")
    with pytest.raises(SystemExit, match=f"error: {message}"):
        main([source, "--to", to])
    assert not (tmp_path / to).exists()
    assert not (tmp_path / "it-was-run").exists()
