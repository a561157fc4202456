"""What a training run is told, checked: an unknown, missing or mistyped key is an error."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf

from model.checkpoint import load_config
from model.conditions import differences
from model.config import LANGUAGE_PRESETS, PRESETS, ConfigError, ModelConfig
from model.strict_json import Within, check_fields, from_plain, require
from model.training.data_module import DataSettings
from model.training.module import LossWeights
from model.training.optim import OptimSettings

# Lightning's: -1 is no limit.
Steps = Annotated[int, Within(-1, 100_000_000)]


@dataclass(frozen=True)
class TrainerSettings:
    """How long and on what; the names are those of Lightning's Trainer."""

    max_epochs: Steps
    max_steps: Steps
    accelerator: str
    devices: Annotated[int, Within(1, 1024)]
    num_nodes: Annotated[int, Within(1, 4096)]
    strategy: str
    precision: str
    gradient_clip_val: Annotated[float, Within(0, 1_000_000)]
    accumulate_grad_batches: Annotated[int, Within(1, 65536)]
    check_val_every_n_epoch: Annotated[int, Within(1, 100_000)]
    log_every_n_steps: Annotated[int, Within(1, 1_000_000)]

    def __post_init__(self) -> None:
        check_fields(self, "trainer")
        for name in ("max_epochs", "max_steps"):
            require(getattr(self, name) != 0, f"trainer.{name}", "-1 (no limit) or more", self)
        limited = max(self.max_epochs, self.max_steps) > 0
        require(limited, "trainer.max_epochs", "more than 0, as max_steps is no limit", self)


@dataclass(frozen=True)
class KeepSettings:
    """When the run's state is written besides at the end of each epoch; 0: never."""

    every_minutes: Annotated[float, Within(0, 100_000)]
    every_steps: Annotated[int, Within(0, 100_000_000)]

    def __post_init__(self) -> None:
        check_fields(self, "keep")


@dataclass(frozen=True)
class ImageSettings:
    """How many predictions are drawn at every so many validations; 0: never."""

    samples: Annotated[int, Within(0, 1000)]
    every: Annotated[int, Within(0, 100_000)]

    def __post_init__(self) -> None:
        check_fields(self, "images")


@dataclass(frozen=True)
class TrainingSettings:
    """A whole run.

    ``model`` names a preset; ``checkpoint``, where given, takes its place: its configuration and
    weights are the start. ``cameras``: those that are used (null: all). ``options``: values that
    are changed, as a JSON object, where ``language`` may name a preset of its own, alone or as
    ``{preset: small, lora: true}``. ``pretrained``: directory of :mod:`model.download`, for a
    start from others' weights. ``print_every_s``: seconds between two lines of progress.
    """

    model: str
    cameras: tuple[str, ...] | None
    options: str
    checkpoint: str | None
    pretrained: str | None
    data: DataSettings
    optim: OptimSettings
    loss_weights: LossWeights
    trainer: TrainerSettings
    images: ImageSettings
    keep: KeepSettings
    output: str
    resume: bool
    seed: Annotated[int, Within(0, 2**32 - 1)]
    threads: Annotated[int, Within(0, 1024)] | None
    print_every_s: Annotated[float, Within(0, 100_000)]
    logger: Literal["tensorboard", "wandb"]

    def __post_init__(self) -> None:
        check_fields(self)
        require(self.model in PRESETS, "model", " or ".join(PRESETS), self)

    def model_config(self) -> ModelConfig:
        """The preset, or the checkpoint's configuration, with this run's cameras and options.

        Raises :class:`ConfigError` or :class:`model.checkpoint.CheckpointError`.
        """
        start = load_config(self.checkpoint) if self.checkpoint else PRESETS[self.model]
        plain = json.loads(start.to_json())
        changes = json.loads(self.options)
        require(isinstance(changes, dict), "options", "an object", self)
        if "language" in changes:
            changes["language"] = _language(changes["language"])
        _change(plain, changes)
        if self.cameras is not None:
            kept = {camera["name"]: camera for camera in plain["cameras"]}
            for name in self.cameras:
                if name not in kept:
                    raise ConfigError(f"cameras: expected some of {', '.join(kept)}, got {name}")
            plain["cameras"] = [kept[name] for name in self.cameras]
        return from_plain(ModelConfig, plain)


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


# What may differ when a run goes on: where and how precisely it computes, not what. The order of
# the samples, which depends on data and number of processes, is checked by the data module.
FREE_TO_CHANGE = (
    "data.root",
    "data.workers",
    "data.image_cache",
    "data.max_broken_share",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.precision",
    "trainer.check_val_every_n_epoch",
    "trainer.log_every_n_steps",
    "pretrained",
    "checkpoint",
    "images",
    "keep",
    "output",
    "resume",
    "threads",
    "print_every_s",
    "logger",
)


# Settings that came after runs had been kept, as those were trained.
ADDED_SINCE = {
    "data": {"buckets": {"corrected": 0.0}},
    "optim": {"ema": 0.0},
    "loss_weights": {"light_loss": 0.0, "obstacle_loss": 0.0},
}


def write_settings(settings: TrainingSettings, path: Path) -> None:
    """Keep a run's settings beside it."""
    OmegaConf.save(OmegaConf.create(to_plain(settings)), path)


def require_same_run(settings: TrainingSettings, path: Path) -> None:
    """Raises :class:`ConfigError` where a run cannot go on with settings other than those in
    ``path``; a run without such a file is taken at its word. What the file lacks because the run
    is older is what the run was trained with."""
    if not path.is_file():
        return
    kept = OmegaConf.load(path)
    if not isinstance(kept, DictConfig):
        raise ConfigError(f"{path} holds no settings of a run: move it away, or resume=false")
    stored: Any = OmegaConf.to_container(OmegaConf.merge(ADDED_SINCE, kept), resolve=True)
    wanted: Any = OmegaConf.to_container(OmegaConf.create(to_plain(settings)))
    free = tuple(f"{key}." for key in FREE_TO_CHANGE)
    for changed in differences(stored, wanted):
        key = ".".join(changed.path)
        if not f"{key}.".startswith(free):
            raise ConfigError(
                f"{key}: {path.parent} holds a run with {changed.then!r}, now {changed.now!r}. "
                "Start a new run: another output, from checkpoint=<the old run's checkpoint> if it "
                "is to go on from there; or resume=false"
            )


def _language(changes: object) -> object:
    """Changes in which a preset's name is replaced by its values."""
    changes = {"preset": changes} if isinstance(changes, str) else changes
    if not isinstance(changes, dict) or "preset" not in changes:
        return changes
    name = changes["preset"]
    if name not in LANGUAGE_PRESETS:
        known = ", ".join(LANGUAGE_PRESETS)
        raise ConfigError(f"options.language: expected one of {known}, got {name!r}")
    others = {key: value for key, value in changes.items() if key != "preset"}
    return {**dataclasses.asdict(LANGUAGE_PRESETS[name]), **others}


def _change(plain: dict[str, Any], changes: dict[str, Any], where: str = "options") -> None:
    """Put ``changes`` over ``plain``, whose keys they must have."""
    for key, value in changes.items():
        if key not in plain:
            raise ConfigError(f"{where}.{key}: unknown key; known are {', '.join(plain)}")
        if isinstance(value, dict) and isinstance(plain[key], dict):
            _change(plain[key], value, f"{where}.{key}")
        else:
            plain[key] = value
