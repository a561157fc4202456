"""Examples, their images, and batches of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from model.batch import check_input
from model.config import DEBUG, ConfigError, ModelConfig
from model.enhance import equalise
from model.training.augment import AugmentSettings, augment
from model.training.dataset import DrivingDataset, LoadedBatch, Unreadable, collate
from model.training.images import ImageCache, ImageError, read_image
from model.training.index import DatasetIndex, load_index
from model.training.sampler import Draw
from model.training.synthetic import write_dataset
from tests.model.samples import points_of

PLAIN = Draw(0, False, None)
STRONG = AugmentSettings(1.0, 0.2, 0.3, 0.2, 1.0, 1.5, 1.0, 20.0)


def example_of(dataset: DrivingDataset, draw: Draw = PLAIN) -> LoadedBatch:
    return collate([dataset[draw]])


def test_labels_of_a_circle(dataset_root: Path, dataset_index: DatasetIndex) -> None:
    example = example_of(DrivingDataset(dataset_root, dataset_index, DEBUG)).example
    arc = 0.02 * np.arange(20)
    circle = np.stack([np.sin(arc), 1.0 - np.cos(arc)], axis=1) / 0.02
    # The route's corner-cutting chords are shorter than the arc by a thousandth.
    np.testing.assert_allclose(example.driving_label.route[0], circle, atol=0.01)
    arc = 0.02 * 2.0 * np.arange(1, 11)
    circle = np.stack([np.sin(arc), 1.0 - np.cos(arc)], axis=1) / 0.02
    np.testing.assert_allclose(example.driving_label.speed_wps[0], circle, atol=1e-4)
    assert example.driving_label.route_valid.all()
    np.testing.assert_allclose(points_of(example.driving_input)[0], [[30, 9], [45, 20]])
    check_input(example.driving_input, DEBUG)


def test_distances_are_those_of_the_way_that_was_driven(
    dataset_root: Path, dataset_index: DatasetIndex
) -> None:
    config = dataclasses.replace(DEBUG, speed_wps_mode="1d")
    dataset = DrivingDataset(dataset_root, dataset_index, config)
    plain, shifted = (dataset.label(Draw(0, augmented, None)) for augmented in (False, True))
    assert torch.equal(shifted.speed_wps, plain.speed_wps)
    # Chords of the circle of 50 m that the car drives at 8 m/s, 0.25 s each.
    chord_m = 2.0 * 50.0 * np.sin(0.02)
    np.testing.assert_allclose(plain.speed_wps[:, 0], chord_m * np.arange(1, 11), atol=1e-4)
    assert not torch.equal(shifted.route, plain.route)


def test_shifted_example(dataset_root: Path, dataset_index: DatasetIndex) -> None:
    dataset = DrivingDataset(dataset_root, dataset_index, DEBUG)
    plain, shifted = (
        example_of(dataset, Draw(0, augmented, None)).example for augmented in (False, True)
    )
    shift = dataset_index.camera_shift(0)
    wanted = shift.seen(plain.driving_label.speed_wps[0].double().numpy())
    np.testing.assert_allclose(shifted.driving_label.speed_wps[0], wanted, atol=1e-4)
    wanted = shift.seen(points_of(plain.driving_input)[0].double().numpy())
    np.testing.assert_allclose(points_of(shifted.driving_input)[0], wanted, atol=1e-4)
    assert not torch.equal(shifted.driving_input.camera_images, plain.driving_input.camera_images)
    folder = dataset_root / str(dataset_index.drives[0]) / "rgb_augmented"
    image = read_image(folder / f"{dataset_index.frame[0]:04d}.jpg")
    np.testing.assert_array_equal(
        shifted.driving_input.camera_images[0, 0, 0].permute(1, 2, 0), image
    )
    # The route starts at the shifted ego.
    np.testing.assert_array_equal(shifted.driving_label.route[0, 0], [0.0, 0.0])


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ({"target_points": 1}, (1, 1, 2)),
        ({"route_as": "coords"}, (1, 20, 2)),
        ({"route_as": "image"}, (1, 2, 2)),
        ({"cameras": DEBUG.cameras[:1]}, (1, 2, 2)),
        ({"hist_len": 3, "speed_history": 4}, (1, 2, 2)),
    ],
)
def test_inputs_that_options_ask_for(
    dataset_root: Path,
    dataset_index: DatasetIndex,
    changes: dict[str, object],
    shape: tuple[int, ...],
) -> None:
    config: ModelConfig = dataclasses.replace(DEBUG, **changes)  # type: ignore[arg-type]
    driving_input = example_of(DrivingDataset(dataset_root, dataset_index, config)).example[0]
    assert points_of(driving_input).shape == shape
    if config.target_points == 1:
        driving_input = driving_input._replace(target_point=points_of(driving_input)[:, 0])
    check_input(driving_input, config)
    if config.route_as == "image":
        assert driving_input.map_route is not None
        assert driving_input.map_route.sum() > 0


def test_history_is_oldest_first(dataset_root: Path, dataset_index: DatasetIndex) -> None:
    config = dataclasses.replace(DEBUG, hist_len=2, speed_history=2)
    speeds = dataset_index.speeds_mps.copy()
    speeds[:, 1] = 3.0
    index = dataclasses.replace(dataset_index, speeds_mps=speeds)
    driving_input = example_of(DrivingDataset(dataset_root, index, config)).example[0]
    assert driving_input.vehicle_speed.tolist() == [[3.0, 8.0]]
    present = example_of(DrivingDataset(dataset_root, index, DEBUG)).example[0]
    assert torch.equal(driving_input.camera_images[:, 1], present.camera_images[:, 0])


def test_too_long_a_speed_history(dataset_root: Path, dataset_index: DatasetIndex) -> None:
    config = dataclasses.replace(DEBUG, speed_history=9)
    with pytest.raises(ConfigError, match="speed_history"):
        DrivingDataset(dataset_root, dataset_index, config)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other size", "no image"])
def test_unreadable_images_are_named_and_left_out(tmp_path: Path, damage: str) -> None:
    split = write_dataset(tmp_path, drives=1)
    index = load_index(tmp_path, "training")
    path = split / "group" / "scenario" / "Town_0" / "rgb_left" / "0000.jpg"
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-300])
    elif damage == "other size":
        cv2.imwrite(str(path), np.zeros((10, 20, 3), dtype=np.uint8))
    else:
        path.write_bytes(b"no image \xff\xd9")
    dataset = DrivingDataset(tmp_path, index, DEBUG)
    broken = dataset[PLAIN]
    assert isinstance(broken, Unreadable)
    assert "rgb_left/0000.jpg" in broken.problem
    batch = collate([broken, dataset[Draw(1, False, None)]])
    assert len(batch.example.driving_input.vehicle_speed) == 1
    assert batch.problems == [broken.problem]
    nothing = collate([broken, broken])
    assert (nothing.readable, nothing.problems) == (0, 2 * [broken.problem])
    label = nothing.example.driving_label
    assert not label.speed_wps_valid.any()
    assert not label.route_valid.any()
    assert not nothing.example.driving_input.camera_images.any()


def test_cache_gives_the_same_images_and_notices_changes(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=1)
    path = split / "group" / "scenario" / "Town_0" / "rgb" / "0010.jpg"
    cache = ImageCache(tmp_path / "cache")
    for _ in range(2):
        np.testing.assert_array_equal(cache.read(path), read_image(path))
    cv2.imwrite(str(path), np.full((32, 64, 3), 90, dtype=np.uint8))
    assert abs(int(cache.read(path).mean()) - 90) <= 1
    path.unlink()
    with pytest.raises(ImageError):
        cache.read(path)


def test_augmentation_is_seeded_and_for_drawn_samples_only(
    dataset_root: Path, dataset_index: DatasetIndex
) -> None:
    dataset = DrivingDataset(dataset_root, dataset_index, DEBUG, STRONG)
    plain = DrivingDataset(dataset_root, dataset_index, DEBUG).images(PLAIN)
    assert torch.equal(dataset.images(PLAIN), plain)
    first, again, other = (dataset.images(Draw(0, False, (1, 2, k))) for k in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, plain)
    assert first.dtype == torch.uint8


def test_images_are_equalised_before_they_are_changed(
    dataset_root: Path, dataset_index: DatasetIndex
) -> None:
    raw = DrivingDataset(dataset_root, dataset_index, DEBUG)
    config = dataclasses.replace(DEBUG, image_enhancing=True)
    dataset = DrivingDataset(dataset_root, dataset_index, config, STRONG)
    views = raw.images(PLAIN).permute(0, 1, 3, 4, 2).numpy().reshape(3, 32, 64, 3)
    wanted = augment(equalise(views), STRONG, np.random.default_rng((1, 2, 3)))
    changed = dataset.images(Draw(0, False, (1, 2, 3))).permute(0, 1, 3, 4, 2).numpy()
    np.testing.assert_array_equal(changed.reshape(wanted.shape), wanted)


def test_augmentation_of_nothing_changes_nothing() -> None:
    images = np.random.default_rng(0).integers(0, 255, (3, 8, 16, 3), dtype=np.uint8)
    none = AugmentSettings(1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    np.testing.assert_array_equal(augment(images, none, np.random.default_rng(1)), images)


def test_brightness_is_the_same_in_all_cameras() -> None:
    images = np.full((3, 8, 16, 3), 128, dtype=np.uint8)
    settings = dataclasses.replace(STRONG, blur_share=0.0, noise_share=0.0)
    changed = augment(images, settings, np.random.default_rng(1))
    assert len(np.unique(changed.reshape(-1, 3), axis=0)) == 1
    assert not np.array_equal(changed, images)


def test_senseless_augmentation() -> None:
    with pytest.raises(ConfigError, match=r"data\.augment\.contrast: expected 0 to 1"):
        dataclasses.replace(STRONG, contrast=2.0)
