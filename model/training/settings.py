"""What a training run is told, checked: an unknown, missing or mistyped key is an error."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from model.config import PRESETS
from model.strict_json import from_plain, require
from model.training.data_module import DataSettings
from model.training.optim import OptimSettings


@dataclass(frozen=True)
class TrainerSettings:
    """How long and on what; the names are those of Lightning's Trainer."""

    max_epochs: int
    max_steps: int
    accelerator: str
    devices: int
    num_nodes: int
    strategy: str
    precision: str
    gradient_clip_val: float
    accumulate_grad_batches: int
    check_val_every_n_epoch: int
    log_every_n_steps: int


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run. ``model`` names a preset; ``checkpoint`` gives its first weights, if any."""

    model: str
    checkpoint: str | None
    data: DataSettings
    optim: OptimSettings
    trainer: TrainerSettings
    output: str
    resume: bool
    seed: int
    threads: int | None

    def __post_init__(self) -> None:
        require(self.model in PRESETS, "model", " or ".join(PRESETS), self)


def from_hydra(config: DictConfig) -> TrainingSettings:
    """The composed configuration as a record; raises :class:`model.config.ConfigError`."""
    return from_plain(TrainingSettings, OmegaConf.to_container(config, resolve=True))
