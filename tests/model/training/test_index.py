"""The index: what is read, what is left out, and what is said about it."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.config import DEBUG
from model.training.drives import LIGHTS, OBSTACLES, find_drives, read_json
from model.training.index import DatasetError, DatasetIndex, load_index
from model.training.rig_check import difference, with_cameras
from model.training.synthetic import (
    PERFECT,
    SPEED_MPS,
    measurement,
    write_dataset,
    write_drive,
    write_json,
)


def test_reads_usable_frames(tmp_path: Path) -> None:
    write_dataset(tmp_path, drives=2)
    index = load_index(tmp_path, "training")
    assert index.frame.tolist() == [*range(24)] * 2
    assert index.from_frame(10).frame.tolist() == [*range(10, 24)] * 2
    # The last ten frames have no whole future.
    assert np.isfinite(index.waypoints_ego_m).all(axis=(1, 2)).sum() == 2 * 14
    np.testing.assert_allclose(index.speeds_mps, SPEED_MPS)
    np.testing.assert_allclose(index.shift[0], [0.5, np.radians(5.0)], rtol=1e-6)
    assert index.commands[0].tolist() == [4, 2]
    assert np.isfinite(index.route_ego_m[0]).all(axis=1).sum() == 30
    assert index.has_augmented.all()
    assert index.problems.size == 0


def test_drives_recorded_at_another_interval_are_left_out_by_name(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    slow = split / "group" / "scenario" / "Town_1"
    for frame in range(24):
        written = slow / "measurements" / f"{frame:04d}.json.gz"
        write_json(written, measurement(frame, timestamp_s=0.5 * frame))
    index = load_index(tmp_path, "training")
    assert len(index.drives) == 1
    (problem,) = index.problems.tolist()
    assert problem.startswith(f"{slow}: frames 0 and 1 are 0.50 s apart, expected 0.25 s")
    shutil.rmtree(split / "group" / "scenario" / "Town_0")
    with pytest.raises(DatasetError, match=r"another frame interval(.|\n)*Town_1: frames 0 and 1"):
        load_index(tmp_path, "training")


@pytest.mark.parametrize("times", ["told", "untold", "with a gap"])
def test_the_frame_interval_is_read_where_it_is_told(tmp_path: Path, times: str) -> None:
    """SimLingo's own drives do not tell it; a lost frame leaves its neighbours where they were."""
    split = write_dataset(tmp_path, drives=1)
    folder = split / "group" / "scenario" / "Town_0" / "measurements"
    for frame in range(24):
        record = measurement(frame, timestamp_s=0.25 * frame + 0.004 * (frame % 2))
        if times == "untold":
            del record["timestamp_s"]
        write_json(folder / f"{frame:04d}.json.gz", record)
    if times == "with a gap":
        (folder / "0007.json.gz").unlink()
    index = load_index(tmp_path, "training")
    assert len(index) == (23 if times == "with a gap" else 24)


def test_cache_is_used_until_a_drive_changes(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    load_index(tmp_path, "training")
    (cache,) = (tmp_path / "index").glob("*.npz")
    written = cache.stat().st_mtime_ns
    load_index(tmp_path, "training")
    assert cache.stat().st_mtime_ns == written
    write_drive(split / "group" / "scenario" / "Town_9")
    assert len(load_index(tmp_path, "training").drives) == 3


def test_finds_drives_at_any_depth(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d"):
        (tmp_path / name / "measurements").mkdir(parents=True)
    assert find_drives(tmp_path) == [tmp_path / "a/b/c", tmp_path / "a/d"]


def test_the_folders_of_the_public_dataset_are_found(tmp_path: Path) -> None:
    """As they come out of its archives; every drive has one camera, and no rig.json."""
    public = {
        "lb1_split/routes_training/ControlLoss/Town01_Rep0_Town01_Scenario1_0_route0",
        "training_1_scenario/routes_training/random_weather_seed_1_balanced_150/Town12_Rep0_1",
        "training_3_scenarios/routes_training/random_weather_seed_3_balanced_100/Town12_Rep0_2",
        "training_parking_lane/Town12_short/random_weather_seed_10_balanced_150/Town12_Rep0_3",
        "validation_1_scenario/routes_validation/random_weather_seed_2_balanced_150/Town13_Rep0_4",
    }
    for name in public:
        write_drive(tmp_path / "data/simlingo" / name, DEBUG.cameras[:1], rig=False, frames=12)
    for split in ("training", "validation", "training_1_scenario", "all"):
        wanted = {name for name in public if name.startswith(split) or split == "all"}
        index = load_index(tmp_path, split)
        assert {drive.removeprefix("data/simlingo/") for drive in index.drives} == wanted
        assert all(json.loads(rig)[0]["width_px"] == 1024 for rig in index.rigs)
    with pytest.raises(DatasetError, match=r"no such folder.* there are lb1_split, training_1_sc"):
        load_index(tmp_path, "test")


@pytest.mark.parametrize(
    ("results", "usable"),
    [
        (PERFECT, True),
        (
            {
                "scores": {"score_composed": 80.0, "score_route": 95.0},
                "infractions": {"min_speed_infractions": ["slow"], "collisions_vehicle": []},
            },
            True,
        ),
        (
            {
                "scores": {"score_composed": 60.0, "score_route": 100.0},
                "infractions": {"collisions_vehicle": ["hit"]},
            },
            False,
        ),
        ({"scores": {"score_composed": 90.0, "score_route": 90.0}, "infractions": {}}, False),
        (None, False),
    ],
)
def test_drives_that_count(tmp_path: Path, results: object, usable: bool) -> None:
    split = write_dataset(tmp_path, drives=1)
    judged = write_drive(split / "group" / "scenario" / "judged")
    if results is None:
        (judged / "results.json.gz").unlink()
    else:
        write_json(judged / "results.json.gz", results)
    index = load_index(tmp_path, "training", max_broken_share=0.0)
    assert len(index.drives) == 1 + usable
    assert len(index.problems) == 1 - usable
    if not usable:
        assert str(judged) in index.problems[0]


@pytest.mark.parametrize(
    "damage",
    ["no measurement", "truncated", "nested", "not a number", "no image", "empty image", "no key"],
)
def test_a_broken_frame_is_left_out_and_named(tmp_path: Path, damage: str) -> None:
    split = write_dataset(tmp_path, drives=1)
    drive = split / "group" / "scenario" / "Town_0"
    file = drive / "measurements" / "0015.json.gz"
    image = drive / "rgb_left" / "0015.jpg"
    if damage == "no measurement":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-20])
    elif damage == "nested":
        file.write_bytes(gzip.compress(b"[" * 100_000))
    elif damage == "not a number":
        write_json(file, measurement(15, speed=float("nan")))
    elif damage == "no key":
        write_json(file, {"speed": 3.0})
    elif damage == "no image":
        image.unlink()
    else:
        image.write_bytes(b"")
    index = load_index(tmp_path, "training", max_broken_share=0.05)
    assert index.frame.tolist() == [*range(15), *range(16, 24)]
    assert len(index.problems) == 1
    assert str(drive) in index.problems[0]
    assert "15" in index.problems[0]
    if "image" not in damage:
        # Its pose is unknown too, so the ten frames before it have no whole future.
        assert np.isfinite(index.waypoints_ego_m).all(axis=(1, 2)).sum() == 5


def test_too_many_broken_frames_are_an_error(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=1)
    for frame in (12, 13, 14):
        (split / "group" / "scenario" / "Town_0" / "rgb" / f"{frame:04d}.jpg").unlink()
    with pytest.raises(DatasetError, match=r"3 of 24 frames.*max_broken_share"):
        load_index(tmp_path, "training")


def test_broken_drives(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=3)
    broken = split / "group" / "scenario" / "Town_1"
    (broken / "results.json.gz").write_bytes(b"no gzip")
    with pytest.raises(DatasetError, match="1 of 3 drives are unreadable"):
        load_index(tmp_path, "training")
    index = load_index(tmp_path, "training", max_broken_share=0.4)
    assert len(index.drives) == 2
    assert str(broken) in index.problems[0]


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        load_index(tmp_path, "training")
    split = tmp_path / "data" / "simlingo" / "training"
    split.mkdir(parents=True)
    with pytest.raises(DatasetError, match="no usable drive"):
        load_index(tmp_path, "training")


def test_a_drive_without_augmented_cameras_is_used_without(tmp_path: Path) -> None:
    write_dataset(tmp_path, drives=1, augmented=False)
    assert not load_index(tmp_path, "training").has_augmented.any()


def test_split_is_by_drive_and_stable(tmp_path: Path) -> None:
    write_dataset(tmp_path, drives=5)
    index = load_index(tmp_path, "training")
    training, validation = index.split(0.2, seed=1)
    assert len(np.unique(validation.drive)) == 1
    assert not set(training.drive) & set(validation.drive)
    assert len(training) + len(validation) == len(index)
    assert index.split(0.2, seed=1)[1].fingerprint() == validation.fingerprint()
    assert len(index.split(0.01, seed=1)[1]) > 0
    assert len(index.split(0.0, seed=1)[1]) == 0


def _indexed(root: Path, changes: dict[int, dict[str, Any]]) -> DatasetIndex:
    """Index of one drive in which some frames' measurements are changed."""
    folder = write_dataset(root, drives=1) / "group" / "scenario" / "Town_0" / "measurements"
    for frame, change in changes.items():
        write_json(folder / f"{frame:04d}.json.gz", measurement(frame, **change))
    return load_index(root, "training")


def test_reasons_for_slowing_down(tmp_path: Path) -> None:
    reasons: list[dict[str, object]] = [
        {"light_hazard": True},
        {"stop_sign_hazard": True},
        {"speed_reduced_by_obj_type": "walker.pedestrian.0001"},
        {"speed_reduced_by_obj_type": "vehicle.audi.tt"},
        {"speed_reduced_by_obj_type": "traffic.traffic_light"},
    ]
    index = _indexed(tmp_path, dict(enumerate(reasons)))
    found = [OBSTACLES[number] for number in index.obstacle[:6]]
    assert found == ["traffic_light", "stop_sign", "walker", "vehicle", "traffic_light", "none"]


def test_what_lights_show(tmp_path: Path) -> None:
    states = ("Green", "Red", "Yellow", "None", "Off")
    index = _indexed(
        tmp_path, {frame: {"light_state": state} for frame, state in enumerate(states)}
    )
    found = [LIGHTS[number] for number in index.light[:6]]
    assert found == ["green", "red", "yellow", "none", "none", "none"]


def test_positions_that_show_a_hesitation_are_no_example(tmp_path: Path) -> None:
    index = _indexed(tmp_path, {11: {"hesitates": True}})
    valid = np.isfinite(index.waypoints_ego_m).all(axis=(1, 2))
    assert index.frame[valid].tolist() == [0, 12, 13]
    assert np.isfinite(index.route_ego_m[:, :30]).all()


def _corrected(folder: Path, infraction_frames: list[int]) -> None:
    """Turn a drive into one that another driver has driven, badly, and the expert has labelled."""
    back = [[float(k), 1.0] for k in range(10)]
    for frame in range(24):
        told: dict[str, Any] = {"waypoints": back, "disagreement": 2.5 if frame == 3 else 0.1}
        record = {**measurement(frame, **told), "frame": 5 * frame}
        write_json(folder / "measurements" / f"{frame:04d}.json.gz", record)
    bad = {"scores": {"score_composed": 20.0, "score_route": 40.0}, "infractions": {"red": ["x"]}}
    marks = {"labels": "expert", "infraction_frames": infraction_frames}
    write_json(folder / "results.json.gz", {**bad, **marks})


def test_a_drive_that_the_expert_corrected_counts_with_what_it_was_told(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    _corrected(split / "group" / "scenario" / "Town_0", [])
    index = load_index(tmp_path, "training")
    told, driven = index.drive == 0, index.drive == 1
    assert told.sum() == 24
    # All frames, the last of the drive too, have the way back and not where the driver came to.
    np.testing.assert_allclose(index.waypoints_ego_m[told, :, 1], 1.0)
    np.testing.assert_allclose(index.waypoints_ego_m[told, 9, 0], 9.0)
    assert np.isnan(index.waypoints_ego_m[driven][-1]).all()
    assert index.frame[index.corrected].tolist() == [3]


def test_frames_around_a_mistake_are_marked(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=1)
    _corrected(split / "group" / "scenario" / "Town_0", [110])
    index = load_index(tmp_path, "training")
    assert index.frame[index.corrected].tolist() == [2, 3, *range(4, 24)]


def test_of_a_corrected_car_that_stands_few_frames_are_used(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, drives=2) / "group" / "scenario"
    standing = measurement(4)["ego_matrix"]
    for drive in ("Town_0", "Town_1"):
        if drive == "Town_0":
            _corrected(folder / drive, [])
        for frame in range(4, 20):
            path = folder / drive / "measurements" / f"{frame:04d}.json.gz"
            write_json(path, {**read_json(path), "ego_matrix": standing})
    index = load_index(tmp_path, "training")
    assert index.frame[index.drive == 0].tolist() == [0, 1, 2, 3, 4, 12, 20, 21, 22, 23]
    # An expert that stands has a reason, which is an example.
    assert index.frame[index.drive == 1].tolist() == [*range(24)]


def test_a_corrected_frame_without_a_way_back_has_none(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path, drives=1) / "group" / "scenario" / "Town_0"
    _corrected(folder, [])
    write_json(folder / "measurements" / "0005.json.gz", measurement(5))
    index = load_index(tmp_path, "training")
    lacks = ~np.isfinite(index.waypoints_ego_m).all(axis=(1, 2))
    assert index.frame[lacks].tolist() == [5]


def test_rig_differences() -> None:
    rig = json.loads(DEBUG.to_json())["cameras"]
    assert difference(rig, DEBUG.cameras) == ""
    assert difference(rig, DEBUG.cameras[:1]) == ""
    assert "rgb_right: expected, but" in difference(rig[:2], DEBUG.cameras)
    assert "fov_deg 110.0, got 65" in difference([{**rig[0], "fov_deg": 65}], DEBUG.cameras[:1])


def test_mixed_camera_counts(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    write_drive(split / "group" / "scenario" / "alone", cameras=DEBUG.cameras[:1])
    index = load_index(tmp_path, "training")
    fitting, problems = with_cameras(index, DEBUG.cameras, max_broken_share=0.5)
    assert len(fitting) == 2 * 24
    assert len(problems) == 1
    assert "alone" in problems[0]
    with pytest.raises(DatasetError, match=r"1 of 3 drives .* rgb_left"):
        with_cameras(index, DEBUG.cameras, max_broken_share=0.05)
    assert len(with_cameras(index, DEBUG.cameras[:1], 0.0)[0]) == 3 * 24
