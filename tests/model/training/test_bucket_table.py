"""Tables of buckets from elsewhere, and pickles that want too much."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from model.training.bucket_table import match, read_table, upstream_weights, write_table
from model.training.index import DatasetError, DatasetIndex


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch it-was-run",)


def test_reads_a_pickle_of_arrays_and_lists(tmp_path: Path) -> None:
    table = {"all": np.array(["a/rgb/0001.jpg", "b"]), "other": [b"c", "d"], "none": []}
    path = tmp_path / "buckets.pkl"
    path.write_bytes(pickle.dumps(table))
    plain = {"all": ["a/rgb/0001.jpg", "b"], "other": ["c", "d"], "none": []}
    assert read_table(path) == plain
    write_table(tmp_path / "buckets.json", plain)
    assert read_table(tmp_path / "buckets.json") == plain


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"all": [Evil()]}),
        pickle.dumps({"all": np.array([Evil()], dtype=object)}),
        pickle.dumps(["no table"]),
        pickle.dumps({"all": 3}),
        b"no pickle",
        b"",
    ],
)
def test_refuses_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "buckets.pkl"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"buckets\.pkl"):
        read_table(path)
    assert not (tmp_path / "it-was-run").exists()


def test_matches_paths_to_frames(dataset_index: DatasetIndex) -> None:
    drive = str(dataset_index.drives[1])
    table = {
        "all": [
            f"database/v2/{drive}/rgb/0012.jpg",
            f"/elsewhere/{drive}/measurements/0013.json.gz",
            f"{drive}/rgb/0001.jpg",
            "data/simlingo/training/other/drive/rgb/0012.jpg",
        ],
        "empty": [],
    }
    buckets = match(dataset_index, table)
    rows = np.flatnonzero(buckets.member[:, 0])
    assert dataset_index.frame[rows].tolist() == [12, 13]
    assert dataset_index.drive[rows].tolist() == [1, 1]
    assert not buckets.member[:, 1].any()
    with pytest.raises(DatasetError, match="not one frame"):
        match(dataset_index, {"all": ["elsewhere/rgb/0001.jpg"]})


def test_upstream_weights() -> None:
    names = ("all", "acceleration_-2_-1", "leading_object_traffic.traffic_light", "unheard of")
    assert upstream_weights(names) == (0.082, 0.03, 0.07, 0.0)
