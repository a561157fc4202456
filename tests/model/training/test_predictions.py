"""What is measured and drawn of predictions."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from model.batch import DrivingLabel, DrivingOutput
from model.config import DEBUG
from model.driving import DrivingModel
from model.fused import FusedPolicy
from model.projection import project
from model.training.dataset import DrivingDataset, collate
from model.training.drawing import LABEL, PREDICTED, TARGET, draw, sample_of
from model.training.index import DatasetIndex
from model.training.metrics import mean, plan_errors
from model.training.sampler import Draw


def straight(step_m: float, count: int, aside_m: float = 0.0) -> torch.Tensor:
    along = step_m * torch.arange(1.0, count + 1.0)
    return torch.stack([along, torch.full_like(along, aside_m)], dim=1)


def label_of(valid: tuple[bool, bool]) -> DrivingLabel:
    return DrivingLabel(
        straight(2.0, 10).repeat(2, 1, 1),
        straight(1.0, 20).repeat(2, 1, 1),
        torch.tensor(valid),
        torch.tensor(valid),
    )


def test_errors_in_metres() -> None:
    output = DrivingOutput(
        straight(2.5, 10).repeat(2, 1, 1), straight(1.0, 20, 0.3).repeat(2, 1, 1)
    )
    errors = {name: mean(e) for name, e in plan_errors(output, label_of((True, False))).items()}
    expected = {
        "wp_ade": 0.5 * 5.5,
        "wp_fde": 5.0,
        "speed_mps": 2.0,
        "route_10m": 0.3,
        "route_end": 0.3,
        "route_mean": 0.3,
    }
    assert errors.keys() == expected.keys()
    for name, (value, count) in errors.items():
        assert count == 1, name
        assert float(value) == pytest.approx(expected[name], abs=1e-5), name


def test_labels_that_do_not_count_may_be_nan() -> None:
    label = label_of((True, False))
    label.speed_wps[1] = np.nan
    output = DrivingOutput(label.speed_wps.nan_to_num() + 0.0, None)
    value, count = mean(plan_errors(output, label)["wp_ade"])
    assert (float(value), count) == (0.0, 1)


def test_distances_along_the_path() -> None:
    output = DrivingOutput(2.0 * torch.arange(1.0, 11.0).view(1, 10, 1).repeat(2, 1, 1), None)
    label = label_of((True, True))._replace(speed_wps=output.speed_wps + 0.5)
    errors = plan_errors(output, label)
    assert float(mean(errors["wp_fde"])[0]) == 0.5
    assert float(mean(errors["speed_mps"])[0]) == 0.0


def test_projection_agrees_with_the_cameras_geometry() -> None:
    camera = dataclasses.replace(DEBUG.cameras[0], pitch_deg=0.0)
    pixels = project(
        np.array([[10.0, 0.0], [10.0, 2.0], [-5.0, 0.0]], dtype=np.float32),
        camera.intrinsics(),
        camera.extrinsics(),
    )
    focal_px = camera.intrinsics()[0, 0]
    depth_m = 10.0 - camera.x_m
    middle = camera.width_px / 2.0, camera.height_px / 2.0
    below = middle[1] + focal_px * camera.z_m / depth_m
    np.testing.assert_allclose(pixels[0], [middle[0], below], rtol=1e-5)
    np.testing.assert_allclose(pixels[1], [middle[0] + 2.0 * focal_px / depth_m, below], rtol=1e-5)
    assert np.isnan(pixels[2]).all()


@pytest.mark.parametrize("mode", ["2d", "1d"])
def test_drawing_shows_everything(
    dataset_root: Path, dataset_index: DatasetIndex, mode: Literal["1d", "2d"]
) -> None:
    config = dataclasses.replace(DEBUG, speed_wps_mode=mode)
    batch = collate([DrivingDataset(dataset_root, dataset_index, config)[Draw(0, False, None)]])
    with torch.no_grad():
        output = DrivingModel(config)(batch.example.driving_input)
    output = output._replace(route=straight(1.0, 20, -2.0)[None])
    image = draw(sample_of(batch.example, output, 0), ["a line"])
    for colour in (LABEL, PREDICTED, TARGET):
        assert (image == colour).all(axis=2).sum() > 10


def test_what_is_cut_off_reaches_neither_training_nor_driving(
    dataset_root: Path, dataset_index: DatasetIndex
) -> None:
    config = dataclasses.replace(DEBUG, cut_bottom_quarter=True)
    model = DrivingModel(config).eval()
    dataset = DrivingDataset(dataset_root, dataset_index, config)
    images = collate([dataset[Draw(0, False, None)]]).example.driving_input.camera_images
    below = images.clone()
    below[..., -9:, :] = 0
    kept = images.clone()
    kept[..., -10:, :] = 0
    in_training = [model.vision_model.prepare(images) for images in (images, below, kept)]
    assert torch.equal(in_training[0], in_training[1])
    assert not torch.equal(in_training[0], in_training[2])
    policy = FusedPolicy(model)
    with torch.no_grad():
        driving = [policy.images(images) for images in (images, below, kept)]
    assert torch.equal(driving[0], driving[1])
    assert not torch.equal(driving[0], driving[2])
