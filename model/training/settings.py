"""What a training run is told, checked: an unknown, missing or mistyped key is an error."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from model.config import PRESETS, ConfigError, ModelConfig
from model.strict_json import from_plain, require
from model.training.data_module import DataSettings
from model.training.module import LossWeights
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
class KeepSettings:
    """When the run's state is written besides at the end of each epoch; 0: never."""

    every_minutes: float
    every_steps: int


@dataclass(frozen=True)
class PictureSettings:
    """How many predictions are drawn at every so many validations; 0: never."""

    samples: int
    every: int


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run.

    ``model`` names a preset, ``cameras`` those of its cameras that are used (null: all) and
    ``options`` the preset's values that are changed, as a JSON object. ``checkpoint`` gives the
    first weights, if any. ``print_every_s``: seconds between two lines of progress.
    """

    model: str
    cameras: tuple[str, ...] | None
    options: str
    checkpoint: str | None
    data: DataSettings
    optim: OptimSettings
    loss_weights: LossWeights
    trainer: TrainerSettings
    pictures: PictureSettings
    keep: KeepSettings
    output: str
    resume: bool
    seed: int
    threads: int | None
    print_every_s: float
    logger: Literal["tensorboard", "wandb"]

    def __post_init__(self) -> None:
        require(self.model in PRESETS, "model", " or ".join(PRESETS), self)

    def model_config(self) -> ModelConfig:
        """The preset with this run's cameras and options; raises :class:`ConfigError`."""
        preset = PRESETS[self.model]
        plain = json.loads(preset.to_json())
        _change(plain, json.loads(self.options))
        if self.cameras is not None:
            kept = {camera["name"]: camera for camera in plain["cameras"]}
            for name in self.cameras:
                if name not in kept:
                    raise ConfigError(f"cameras: expected some of {', '.join(kept)}, got {name}")
            plain["cameras"] = [kept[name] for name in self.cameras]
        return ModelConfig.from_json(json.dumps(plain))


def from_hydra(config: DictConfig) -> TrainingSettings:
    """The composed configuration as a record; raises :class:`model.config.ConfigError`."""
    plain = OmegaConf.to_container(config, resolve=True)
    if isinstance(plain, dict) and isinstance(plain.get("options"), dict):
        plain["options"] = json.dumps(plain["options"])
    return from_plain(TrainingSettings, plain)


def to_plain(settings: TrainingSettings) -> dict[str, Any]:
    """The settings as they would be written in a configuration file."""
    plain = dataclasses.asdict(settings)
    return {**plain, "options": json.loads(settings.options)}


def _change(plain: dict[str, Any], changes: dict[str, Any], where: str = "options") -> None:
    """Put ``changes`` over ``plain``, whose keys they must have."""
    for key, value in changes.items():
        if key not in plain:
            raise ConfigError(f"{where}.{key}: unknown key; known are {', '.join(plain)}")
        if isinstance(value, dict) and isinstance(plain[key], dict):
            _change(plain[key], value, f"{where}.{key}")
        else:
            plain[key] = value
