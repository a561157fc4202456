"""AdamW with two learning rates and a list of weights that do not decay, under OneCycleLR."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from model.driving import DrivingModel
from model.strict_json import Within, check_fields

# Weight decay pulls towards zero, which means nothing for a position, a class or a query.
NO_DECAY = (
    "image_newline",
    "class_embedding",
    "position_embedding",
    "temporal_encoding",
    "camera_encoding",
    "query_embeds",
    "route_head",
)
ADAM_EPSILON = 1e-8
FSDP_PREFIX = "_fsdp_wrapped_module."
LearningRate = Annotated[float, Within(1e-12, 10)]
Beta = Annotated[float, Within(0, 0.999999)]


@dataclass(frozen=True)
class OptimSettings:
    """SimLingo's recipe: lr and vision_lr 3e-5, weight decay 0.1, 5 % of the steps warming up.

    ema: how much of the moving average of the weights each step keeps, 0 for no average.
    """

    lr: LearningRate
    vision_lr: LearningRate
    weight_decay: Annotated[float, Within(0, 10)]
    betas: tuple[Beta, Beta]
    pct_start: Annotated[float, Within(1e-6, 0.999999)]
    ema: Annotated[float, Within(0, 0.999999)] = 0.0

    def __post_init__(self) -> None:
        check_fields(self, "optim")


def parameter_groups(
    model: nn.Module, settings: OptimSettings, decaying: Collection[str]
) -> list[dict[str, Any]]:
    """Up to four groups: vision tower or rest, with decay or without; frozen weights left out.

    ``decaying``: names of the weights that decay, taken before a strategy wrapped the model.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for wrapped_name, parameter in model.named_parameters():
        name = wrapped_name.replace(FSDP_PREFIX, "")
        if parameter.requires_grad:
            key = name.startswith("vision_model."), name in decaying
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "name": ("vision" if vision else "rest") + ("" if decay else ", no decay"),
            "params": parameters,
            "lr": settings.vision_lr if vision else settings.lr,
            "weight_decay": settings.weight_decay if decay else 0.0,
        }
        for (vision, decay), parameters in groups.items()
    ]


def decaying_weights(model: DrivingModel) -> frozenset[str]:
    """Names of the weights that decay: matrices that are none of the embeddings or the route head.

    To be asked before a strategy wraps the model: a sharded matrix is flat.
    """
    return frozenset(
        name
        for name, parameter in model.named_parameters()
        if parameter.dim() > 1 and not any(part in name for part in NO_DECAY)
    )


def build_optimizer(
    model: nn.Module,
    settings: OptimSettings,
    decaying: Collection[str],
    steps: int,
    deepspeed: bool = False,
    loss_scale: float = 1.0,
    others: Sequence[nn.Parameter] = (),
) -> tuple[torch.optim.Optimizer, OneCycleLR]:
    """Optimiser and schedule for a run of ``steps`` optimiser steps; DeepSpeed brings its own.

    ``others`` are learned beside the model, at the rate of its rest and without decay.
    Adam's step does not change with the scale of the gradients, once its epsilon has it too.
    """
    groups = parameter_groups(model, settings, decaying)
    if others:
        extra = {"name": "auxiliary", "params": list(others), "lr": settings.lr}
        groups.append({**extra, "weight_decay": 0.0})
    epsilon = loss_scale * ADAM_EPSILON
    optimizer: torch.optim.Optimizer
    if deepspeed:
        # An optional package, and one that only a machine with its compiler can import.
        fused = importlib.import_module("deepspeed.ops.adam").FusedAdam
        optimizer = fused(
            groups, lr=settings.lr, betas=settings.betas, eps=epsilon, adam_w_mode=True
        )
    else:
        optimizer = AdamW(groups, lr=settings.lr, betas=settings.betas, eps=epsilon)
    peaks = [group["lr"] for group in groups]
    schedule = OneCycleLR(
        optimizer,
        max_lr=peaks,
        total_steps=steps,
        pct_start=settings.pct_start,
        cycle_momentum=False,
    )
    return optimizer, schedule
