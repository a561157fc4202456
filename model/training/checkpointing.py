"""What a run leaves behind while it goes on: its state, and the best weights so far."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from model.checkpoint import save_checkpoint
from model.config import ModelConfig
from model.driving import DrivingModel
from model.training.layout import BEST

STATE_FILE = "last.ckpt"
JUDGED_BY = "validation/loss"
# The clock is looked at every so many steps; all processes must decide alike.
STEPS_BETWEEN_LOOKS = 10
MODEL_PREFIX = "model."


class KeepState(Callback):
    """Writes ``last.ckpt``: every ``minutes``, every ``steps`` optimiser steps (0: never) and at
    the end of each epoch.

    Only between optimiser steps, so that no gradient is lost; a file is there whole or not at all.
    """

    def __init__(self, folder: Path, minutes: float, steps: int) -> None:
        self.path = folder / STATE_FILE
        self.minutes = minutes
        self.steps = steps
        self._saved_at_s = time.monotonic()

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._saved_at_s = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        last_of_epoch = batch_idx + 1 >= trainer.num_training_batches
        if stepped and not last_of_epoch and self._due(trainer):
            self.save(trainer)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self.save(trainer)

    def save(self, trainer: lightning.Trainer) -> None:
        partial = self.path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            put_in_place(partial, self.path)
        self._saved_at_s = time.monotonic()

    def on_exception(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        # Lightning ends between two batches then. Several processes may not all have been told, and
        # would wait for each other.
        between_steps = trainer.accumulate_grad_batches == 1
        if isinstance(exception, SIGTERMException) and trainer.world_size == 1 and between_steps:
            self.save(trainer)

    def _due(self, trainer: lightning.Trainer) -> bool:
        if self.steps and trainer.global_step % self.steps == 0:
            return True
        if not self.minutes or trainer.global_step % STEPS_BETWEEN_LOOKS:
            return False
        due = time.monotonic() - self._saved_at_s >= 60.0 * self.minutes
        return bool(trainer.strategy.broadcast(due))


def put_in_place(partial: Path, path: Path) -> None:
    """Let ``partial``, a file or (DeepSpeed's) a folder, take the place of ``path``."""
    if not partial.is_dir():
        partial.replace(path)
        return
    former = path.with_suffix(".former")
    if path.exists():
        path.rename(former)
    partial.rename(path)
    shutil.rmtree(former, ignore_errors=True)


class KeepBest(Callback):
    """Exports the weights with the lowest validation loss to ``best``."""

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        self.folder = folder / BEST
        self.config = config
        self.lowest = float("inf")

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        loss = trainer.callback_metrics.get(JUDGED_BY)
        if trainer.sanity_checking or loss is None or not float(loss) < self.lowest:
            return
        self.lowest = float(loss)
        export(trainer, self.config, self.folder)

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest = float(state_dict["lowest"])


def export(trainer: lightning.Trainer, config: ModelConfig, folder: Path) -> None:
    """Write the trained model as a checkpoint; to be called in all processes, since a strategy may
    have spread the weights over them."""
    state: dict[str, Tensor] = trainer.strategy.lightning_module_state_dict()
    if not trainer.is_global_zero:
        return
    weights = {
        name.removeprefix(MODEL_PREFIX): value
        for name, value in state.items()
        if name.startswith(MODEL_PREFIX)
    }
    model = DrivingModel(config)
    model.load_state_dict(weights)
    save_checkpoint(model, folder)
