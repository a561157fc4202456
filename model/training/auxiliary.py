"""Questions beside the plan, asked in training only.

A small network that is only told where the expert went has to find out by itself that a few red
pixels were the reason. So it may also be asked what the next traffic light shows and what the
expert slows down for, which the recorded drives know. The answers are read off the same features
as the plan, and thrown away afterwards: a checkpoint holds nothing of this.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from model.batch import DrivingLabel
from model.driving import DrivingModel
from model.loss import SampleLoss
from model.precision import full_precision
from model.training.drives import LIGHTS, OBSTACLES


class AuxiliaryHeads(nn.Module):
    """Light and obstacle, as rows of ``drives.LIGHTS`` and ``drives.OBSTACLES``, from the mean of
    what became of the speed's queries.

    Listens to what ``model``'s heads are given, so that the model's own forward, and whatever a
    strategy wraps around it, stay as they are at the wheel.
    """

    def __init__(self, model: DrivingModel) -> None:
        super().__init__()
        width = model.config.language.hidden_size
        self.light = nn.Linear(width, len(LIGHTS))
        self.obstacle = nn.Linear(width, len(OBSTACLES))
        self._first = model.driving_adaptor.route_points
        self._features: Tensor | None = None
        model.driving_adaptor.register_forward_pre_hook(self._listen)

    def losses(self, label: DrivingLabel) -> dict[str, SampleLoss]:
        """``light_loss`` and ``obstacle_loss`` of the batch that the model has seen last, as
        :func:`model.loss.driving_losses` gives its own: cross entropies (batch,) in nats, and 1 for
        each sample that counts."""
        features, self._features = self._features, None
        if features is None or label.light is None or label.obstacle is None:
            raise ValueError("auxiliary heads: expected a batch with its labels, after the model")
        with full_precision(features):
            mean = features[:, self._first :].float().mean(1)
            answers = {
                "light_loss": (self.light(mean), label.light),
                "obstacle_loss": (self.obstacle(mean), label.obstacle),
            }
        counts = label.speed_wps_valid
        return {name: _cross_entropy(*pair, counts) for name, pair in answers.items()}

    def _listen(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        (self._features,) = inputs


def _cross_entropy(
    logits: Float[Tensor, "batch classes"], wanted: Int[Tensor, " batch"], counts: Tensor
) -> SampleLoss:
    values = F.cross_entropy(logits, wanted, reduction="none")
    return torch.where(counts, values, torch.zeros_like(values)), counts.long()
