"""Images of predictions against labels, at every so many validations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger

from model.batch import DrivingExample, DrivingOutput
from model.training.drawing import U8, draw, sample_of
from model.training.metrics import plan_errors

FOLDER = "predictions"


class PredictionImages(Callback):
    """Draws ``samples`` frames of the validation, spread over it, into ``predictions/<step>.jpg``
    and into the log, at every ``every``-th validation (0: never)."""

    def __init__(self, folder: Path, samples: int, every: int) -> None:
        self.folder = folder / FOLDER
        self.samples = samples
        self.every = every
        self._validations = 0
        self._drawn: list[U8] = []

    def on_validation_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._drawn = []

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if self._wanted(trainer) and len(self._drawn) < self.samples:
            batches = int(trainer.num_val_batches[dataloader_idx])
            if batch_idx % max(1, batches // self.samples) == 0:
                self._drawn.append(_image(batch.example, outputs["output"]))

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if self._wanted(trainer) and self._drawn:
            image = np.concatenate(self._drawn)
            self.folder.mkdir(exist_ok=True)
            path = self.folder / f"{trainer.global_step:07d}.jpg"
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            for logger in trainer.loggers:
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_image(
                        FOLDER, image, trainer.global_step, dataformats="HWC"
                    )
                elif isinstance(logger, WandbLogger):
                    logger.log_image(FOLDER, [image], step=trainer.global_step)
        if not trainer.sanity_checking:
            self._validations += 1

    def _wanted(self, trainer: lightning.Trainer) -> bool:
        if not self.every or trainer.sanity_checking or not trainer.is_global_zero:
            return False
        return self._validations % self.every == 0


def _image(example: DrivingExample, output: DrivingOutput) -> U8:
    """The first sample of a batch, with its errors."""
    label = example.driving_label
    errors = {name: e for name, e in plan_errors(output, label).items() if bool(e.valid[0])}
    shown = {"wp_ade": "waypoints", "wp_fde": "last waypoint", "route_mean": "route"}
    line = ", ".join(
        f"{text} {float(errors[name].value[0]):.2f} m"
        for name, text in shown.items()
        if name in errors
    )
    return draw(sample_of(example, output, 0), [line or "no label"])
