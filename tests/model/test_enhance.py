"""Histogram equalisation, and that training and runtime see the same images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from model.config import DEBUG
from model.driving import DrivingModel
from model.enhance import equalise
from model.runtime import Runtime
from model.training.dataset import DrivingDataset
from model.training.index import load_index
from model.training.sampler import Draw
from model.training.synthetic import write_dataset

ENHANCED = dataclasses.replace(DEBUG, image_enhancing=True)


def test_brightness_is_spread_and_grey_stays_grey() -> None:
    levels = np.linspace(100, 140, 64).round().astype(np.uint8)
    dull = np.broadcast_to(levels[None, :, None], (2, 32, 64, 3))
    bright = equalise(dull)
    assert bright.shape == dull.shape
    assert bright.dtype == np.uint8
    assert bright.min() < 10
    assert bright.max() > 245
    assert np.ptp(bright.astype(int), axis=-1).max() <= 1
    np.testing.assert_array_equal(equalise(dull[0]), bright[0])


def test_brightness_is_that_of_the_published_code() -> None:
    """Red counts 0.114 and blue 0.299 there."""
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :, 0] = image[2:, :, 2] = 200
    red, blue = equalise(image)[[0, 3], 0].astype(int)
    assert blue[2] > 200 > red[0]


def test_training_and_runtime_equalise_alike(tmp_path: Path) -> None:
    write_dataset(tmp_path, drives=1)
    index = load_index(tmp_path, "training")
    draw = Draw(3, False, None)
    plain = DrivingDataset(tmp_path, index, DEBUG).images(draw)
    trained = DrivingDataset(tmp_path, index, ENHANCED).images(draw)
    assert not (plain == trained).all()
    runtime = Runtime(DrivingModel(ENHANCED).eval(), "cpu")
    seen = runtime._check_images(plain[0].permute(0, 2, 3, 1).numpy())
    np.testing.assert_array_equal(seen[0].numpy(), trained.numpy())
