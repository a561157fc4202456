"""AdamW with two learning rates and a list of weights that do not decay, under OneCycleLR."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR

from model.driving import DrivingModel

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


@dataclass(frozen=True)
class OptimSettings:
    """SimLingo's recipe: lr and vision_lr 3e-5, weight decay 0.1, 5 % of the steps warming up."""

    lr: float
    vision_lr: float
    weight_decay: float
    betas: tuple[float, float]
    pct_start: float


def parameter_groups(model: DrivingModel, settings: OptimSettings) -> list[dict[str, Any]]:
    """Up to four groups: vision tower or rest, with decay or without; frozen weights left out."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = name.startswith("vision_model."), decays(name, parameter)
            groups.setdefault(key, []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": settings.vision_lr if vision else settings.lr,
            "weight_decay": settings.weight_decay if decay else 0.0,
        }
        for (vision, decay), parameters in groups.items()
    ]


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: matrices that are none of the embeddings or the route head."""
    return parameter.dim() > 1 and not any(part in name for part in NO_DECAY)


def build_optimizer(
    model: DrivingModel, settings: OptimSettings, steps: int, deepspeed: bool = False
) -> tuple[torch.optim.Optimizer, OneCycleLR]:
    """Optimiser and schedule for a run of ``steps`` optimiser steps; DeepSpeed brings its own."""
    groups = parameter_groups(model, settings)
    optimizer: torch.optim.Optimizer
    if deepspeed:
        # An optional package, and one that only a machine with its compiler can import.
        fused = importlib.import_module("deepspeed.ops.adam").FusedAdam
        optimizer = fused(groups, lr=settings.lr, betas=settings.betas, adam_w_mode=True)
    else:
        optimizer = AdamW(groups, lr=settings.lr, betas=settings.betas)
    peaks = [group["lr"] for group in groups]
    schedule = OneCycleLR(
        optimizer,
        max_lr=peaks,
        total_steps=steps,
        pct_start=settings.pct_start,
        cycle_momentum=False,
    )
    return optimizer, schedule
