"""The frames with the largest errors, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from evaluation.open_loop.errors_on_dataset import Judged, predict
from evaluation.open_loop.settings import OpenLoopSettings
from model.batch import DrivingExample
from model.config import FRAME_INTERVAL_S
from model.driving import DrivingModel
from model.training.dataset import DrivingDataset, Unreadable, collate
from model.training.drawing import draw, sample_of
from model.training.index import DatasetIndex
from model.training.sampler import Draw

WORST_BY = ("route_end", "wp_fde")


def draw_worst(
    model: DrivingModel, dataset: DrivingDataset, judged: Judged, settings: OpenLoopSettings
) -> list[Path]:
    """The frames with the largest errors as images in ``worst/``; at most one per second."""
    folder = settings.out / "worst"
    folder.mkdir(exist_ok=True)
    paths = []
    for place, (measure, number) in enumerate(_worst(dataset.index, judged, settings.worst)):
        row = int(judged.rows[number])
        example = dataset[Draw(row, settings.shifted, None)]
        if isinstance(example, Unreadable):
            continue
        batch = collate([example])
        with torch.inference_mode():
            output = predict(model, batch, settings)
        errors = "  ".join(f"{name} {judged.errors[name][number]:.2f}" for name in judged.errors)
        where = f"{dataset.index.drives[dataset.index.drive[row]]}/{dataset.index.frame[row]:04d}"
        image = draw(sample_of(DrivingExample(*batch.example), output, 0), [where, errors])
        path = folder / f"{place:02d}-{measure}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return paths


def _worst(index: DatasetIndex, judged: Judged, count: int) -> Iterator[tuple[str, int]]:
    seen: set[tuple[int, int]] = set()
    for measure in WORST_BY:
        errors = judged.errors.get(measure)
        if errors is None:
            continue
        drawn = 0
        for number in np.argsort(-np.nan_to_num(errors, nan=-1.0)):
            row = judged.rows[number]
            moment = int(index.drive[row]), int(index.frame[row] * FRAME_INTERVAL_S)
            if drawn == count or not np.isfinite(errors[number]):
                break
            if moment not in seen:
                seen.add(moment)
                drawn += 1
                yield measure, int(number)
