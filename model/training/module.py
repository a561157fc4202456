"""One training step. The module owns nothing but the model."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Annotated

import lightning
import torch
from lightning.pytorch.strategies import DeepSpeedStrategy
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.optim import Optimizer

from model.batch import DrivingInput, DrivingLabel, DrivingOutput
from model.driving import DrivingModel
from model.loss import SampleLoss, driving_losses, summarise_losses
from model.strict_json import Within, check_fields
from model.training.auxiliary import AuxiliaryHeads
from model.training.dataset import LoadedBatch
from model.training.metrics import mean, plan_errors
from model.training.optim import OptimSettings, build_optimizer, decaying_weights

LossFactor = Annotated[float, Within(0, 1_000_000)]


@dataclass(frozen=True)
class LossWeights:
    """Factors of the losses in their sum; without the last two there are no auxiliary heads."""

    speed_wps_loss: LossFactor
    route_loss: LossFactor
    light_loss: LossFactor = 0.0
    obstacle_loss: LossFactor = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "loss_weights")


class DrivingModule(lightning.LightningModule):
    """Imitates the labels by mean squared error.

    ``autocast``: the type to compute in where the strategy does not see to that. ``loss_scale``:
    what the loss, and with it every gradient, is multiplied by; the optimiser allows for it, and
    the clipping of gradients has to.
    """

    def __init__(
        self,
        model: DrivingModel,
        optim: OptimSettings,
        loss_weights: LossWeights,
        autocast: torch.dtype | None = None,
        loss_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.optim = optim
        self.autocast = autocast
        self.loss_scale = loss_scale
        self.decaying = decaying_weights(model)
        weights = asdict(loss_weights)
        if not model.config.predict_route_as_wps:
            del weights["route_loss"]
        asked = loss_weights.light_loss + loss_weights.obstacle_loss > 0.0
        self.auxiliary = AuxiliaryHeads(model) if asked else None
        if not asked:
            del weights["light_loss"], weights["obstacle_loss"]
        self.loss_weights = weights
        self._totals: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros(2))

    def training_step(self, batch: LoadedBatch, batch_index: int) -> Tensor:
        output = self._predict(batch.example.driving_input)
        losses = self._losses(output, batch.example.driving_label)
        training = summarise_losses(losses, self.loss_weights)
        averages = {f"train/{name}": value for name, value in training.loss_averages.items()}
        self.log_dict({"train/loss": training.loss, **averages}, batch_size=batch.readable)
        return self.loss_scale * training.loss

    def validation_step(self, batch: LoadedBatch, batch_index: int) -> dict[str, DrivingOutput]:
        output = self._predict(batch.example.driving_input)
        label = batch.example.driving_label
        for name, (values, counts) in self._losses(output, label).items():
            self._add(name, values.sum(), counts.sum())
        for name, errors in plan_errors(output, label).items():
            average, count = mean(errors)
            self._add(name, average * count, torch.tensor(count))
        return {"output": output}

    def on_validation_epoch_end(self) -> None:
        """Means over the samples of all processes that count; no figure where none does."""
        if not self._totals:
            return
        names = sorted(self._totals)
        sums = torch.stack([self._totals[name] for name in names]).to(self.device)
        sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        self._totals.clear()
        averages = {
            name: total / count for name, (total, count) in zip(names, sums, strict=True) if count
        }
        judged = [name for name in self.loss_weights if name in averages]
        if judged:
            averages["loss"] = torch.stack(
                [self.loss_weights[name] * averages[name] for name in judged]
            ).sum()
        self.log_dict({f"validation/{name}": value for name, value in averages.items()})

    def _predict(self, driving_input: DrivingInput) -> DrivingOutput:
        enabled = self.autocast is not None
        with torch.autocast(self.device.type, self.autocast, enabled=enabled):
            output: DrivingOutput = self.model(driving_input)
        return output

    def _losses(self, output: DrivingOutput, label: DrivingLabel) -> dict[str, SampleLoss]:
        losses = driving_losses(output, label)
        return losses if self.auxiliary is None else losses | self.auxiliary.losses(label)

    def _add(self, name: str, total: Tensor, count: Tensor) -> None:
        self._totals[name] += torch.stack([total, count]).detach().cpu().float()

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
        optimizer, schedule = build_optimizer(
            self.model,
            self.optim,
            self.decaying,
            steps,
            deepspeed,
            self.loss_scale,
            others=() if self.auxiliary is None else tuple(self.auxiliary.parameters()),
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
