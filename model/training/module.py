"""One training step. The module owns nothing but the model."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import lightning
from lightning.pytorch.strategies import DeepSpeedStrategy
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.optim import Optimizer

from model.batch import DrivingOutput
from model.driving import DrivingModel
from model.loss import driving_losses, summarise_losses
from model.training.dataset import LoadedBatch
from model.training.metrics import mean, plan_errors
from model.training.optim import OptimSettings, build_optimizer


@dataclass(frozen=True)
class LossWeights:
    """Factors of the two losses in their sum."""

    speed_wps_loss: float
    route_loss: float


class DrivingModule(lightning.LightningModule):
    """Imitates the labels by mean squared error.

    ``problems`` counts the pictures that could not be read, by their message.
    """

    def __init__(
        self, model: DrivingModel, optim: OptimSettings, loss_weights: LossWeights
    ) -> None:
        super().__init__()
        self.model = model
        self.optim = optim
        weights = asdict(loss_weights)
        if not model.config.predict_route_as_wps:
            del weights["route_loss"]
        self.loss_weights = weights
        self.problems: Counter[str] = Counter()

    def training_step(self, batch: LoadedBatch, batch_index: int) -> Tensor:
        return self._judge(batch, "train")[0]

    def validation_step(self, batch: LoadedBatch, batch_index: int) -> dict[str, DrivingOutput]:
        _, output = self._judge(batch, "validation")
        for name, errors in plan_errors(output, batch.example.driving_label).items():
            value, count = mean(errors)
            self.log(f"validation/{name}", value, batch_size=count, sync_dist=True)
        return {"output": output}

    def _judge(self, batch: LoadedBatch, stage: str) -> tuple[Tensor, DrivingOutput]:
        self.problems.update(batch.problems)
        driving_input, label = batch.example
        output: DrivingOutput = self.model(driving_input)
        training = summarise_losses(driving_losses(output, label), self.loss_weights)
        logged = {f"{stage}/{name}": value for name, value in training.loss_averages.items()}
        self.log_dict(
            {f"{stage}/loss": training.loss, **logged},
            batch_size=len(driving_input.vehicle_speed),
            sync_dist=stage == "validation",
        )
        return training.loss, output

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        sharded = self.trainer.strategy.model
        if gradient_clip_val and isinstance(sharded, FullyShardedDataParallel):
            # No process has the whole norm, and Lightning leaves it to us.
            sharded.clip_grad_norm_(gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        steps = int(self.trainer.estimated_stepping_batches)
        deepspeed = isinstance(self.trainer.strategy, DeepSpeedStrategy)
        optimizer, schedule = build_optimizer(self.model, self.optim, steps, deepspeed)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
