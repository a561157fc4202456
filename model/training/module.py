"""One training step. The module owns nothing but the model."""

from __future__ import annotations

import lightning
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from model.batch import DrivingExample, TrainingOutput
from model.driving import DrivingModel
from model.loss import driving_losses, summarise_losses
from model.training.optim import OptimSettings, build_optimizer


class DrivingModule(lightning.LightningModule):
    """Imitates the labels by mean squared error."""

    def __init__(self, model: DrivingModel, optim: OptimSettings) -> None:
        super().__init__()
        self.model = model
        self.optim = optim

    def training_step(self, batch: DrivingExample, batch_index: int) -> Tensor:
        return self._judge(batch, "train").loss

    def validation_step(self, batch: DrivingExample, batch_index: int) -> None:
        self._judge(batch, "validation")

    def _judge(self, batch: DrivingExample, stage: str) -> TrainingOutput:
        output = self.model(batch.driving_input)
        training = summarise_losses(driving_losses(output, batch.driving_label))
        size = len(batch.driving_input.vehicle_speed)
        logged = {f"{stage}/{name}": value for name, value in training.loss_averages.items()}
        self.log_dict({f"{stage}/loss": training.loss, **logged}, prog_bar=True, batch_size=size)
        return training

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer, schedule = build_optimizer(self.model, self.optim, steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
