"""Every number of every configuration has a range; what lies outside it is refused by name."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from agent.observation import ObserverSettings
from agent.rig import RigError, load_rig
from agent.settings import (
    AgentSettings,
    ExpertSettings,
    SettingsError,
    read_agent_settings,
    read_expert_settings,
)
from model.config import DEBUG, ModelConfig
from model.strict_json import ConfigError, Within
from model.training import settings
from model.training.settings import TrainingSettings, from_hydra

NAN = math.nan
VALUES: tuple[object, ...] = (NAN, math.inf, -math.inf, -1, 0, 10**9, 10**400, "x", True, None, [])
# Fields to which some of VALUES mean something; all others refuse them all.
MEANINGFUL: dict[str, tuple[object, ...]] = {
    **dict.fromkeys(("CameraConfig.x_m", "CameraConfig.y_m", "CameraConfig.z_m"), (-1, 0)),
    **dict.fromkeys(
        ("CameraConfig.roll_deg", "CameraConfig.pitch_deg", "CameraConfig.yaw_deg"), (-1, 0)
    ),
    "VisionConfig.feature_layer": (-1,),
    "VisionConfig.downsample_feature_grid_factor": (None,),
    "ModelConfig.speed_step_m": (0,),
    "ModelConfig.route_step_m": (0,),
    **dict.fromkeys(("ObserverSettings.jpeg_quality", "AgentSettings.jpeg_quality"), (0,)),
    **dict.fromkeys(("ObserverSettings.max_stale_ticks", "AgentSettings.max_stale_ticks"), (0,)),
    **dict.fromkeys(("ObserverSettings.max_blind_ticks", "AgentSettings.max_blind_ticks"), (0,)),
    **dict.fromkeys(("ObserverSettings.max_frozen_ticks", "AgentSettings.max_frozen_ticks"), (0,)),
    "AgentSettings.threads": (0,),
    **dict.fromkeys(("AgentSettings.delay_ticks", "ExpertSettings.delay_ticks"), (0,)),
    "AgentSettings.start_brake_ticks": (0,),
    "ExpertSettings.shift_m": (0,),
    "ExpertSettings.turn_deg": (0,),
    "ExpertSettings.perturb": (0,),
    "ExpertSettings.hesitate": (0,),
    "ExpertSettings.target_noise_m": (0,),
    "ExpertSettings.seed": (0, 10**9),
    "TrainingSettings.seed": (0, 10**9),
    **dict.fromkeys(("LossWeights.light_loss", "LossWeights.obstacle_loss"), (0,)),
    "TrainingSettings.threads": (0, None),
    "TrainingSettings.print_every_s": (0,),
    # -1 is no limit, of which the other one must have one.
    "TrainerSettings.max_epochs": (),
    "TrainerSettings.max_steps": (-1,),
    "TrainerSettings.gradient_clip_val": (0,),
    "KeepSettings.every_minutes": (0,),
    "KeepSettings.every_steps": (0,),
    "ImageSettings.samples": (0,),
    "ImageSettings.every": (0,),
    "LossWeights.speed_wps_loss": (0,),
    "LossWeights.route_loss": (0,),
    "OptimSettings.weight_decay": (0,),
    "OptimSettings.ema": (0,),
    "DataSettings.workers": (0,),
    "DataSettings.samples_per_epoch": (None,),
    "DataSettings.shifted_share": (0, None),
    "DataSettings.validation_share": (0,),
    "DataSettings.max_broken_share": (0,),
    "DataSettings.first_frame": (0,),
}


def training_settings() -> TrainingSettings:
    folder = Path(settings.__file__).parent / "config"
    with initialize_config_dir(str(folder), version_base="1.3"):
        return from_hydra(compose("train", ["experiment=debug"]))


def instances() -> Iterator[Any]:
    """One valid record of each class of configurations."""
    training = training_settings()
    data = training.data
    yield from (DEBUG, DEBUG.cameras[0], DEBUG.vision, DEBUG.language)
    yield from (AgentSettings(), ObserverSettings(), ExpertSettings())
    yield from (training, training.trainer, training.keep, training.images, training.optim)
    yield from (training.loss_weights, data, data.augment, data.buckets)


def parts(hint: Any) -> Iterator[Any]:
    """An annotation and all that it is made of."""
    yield hint
    for argument in typing.get_args(hint):
        yield from parts(argument)


def numbers(record: Any) -> Iterator[str]:
    """The fields of a record that hold a number or several."""
    for name, hint in typing.get_type_hints(type(record), include_extras=True).items():
        if any(part in (int, float) for part in parts(hint)):
            yield name


CASES = [(record, name) for record in instances() for name in numbers(record)]
IDS = [f"{type(record).__name__}.{name}" for record, name in CASES]


@pytest.mark.parametrize(("record", "name"), CASES, ids=IDS)
def test_numbers_have_ranges(record: Any, name: str) -> None:
    hint = typing.get_type_hints(type(record), include_extras=True)[name]
    plain = sum(part in (int, float) for part in parts(hint))
    assert plain == sum(isinstance(part, Within) for part in parts(hint))


@pytest.mark.parametrize(("record", "name"), CASES, ids=IDS)
def test_values_without_a_meaning_are_refused_by_name(record: Any, name: str) -> None:
    label = f"{type(record).__name__}.{name}"
    allowed = MEANINGFUL.get(label, (0,) if label.startswith(("Augment", "Bucket")) else ())
    for value in VALUES:
        if any(type(value) is type(known) and value == known for known in allowed):
            dataclasses.replace(record, **{name: value})
            continue
        with pytest.raises(ConfigError, match=rf"{name}\S*: expected .*, got "):
            dataclasses.replace(record, **{name: value})


def test_every_class_of_numbers_is_tried() -> None:
    nested: set[type] = set()
    waiting: list[Any] = [ModelConfig, TrainingSettings]
    while waiting:
        cls = waiting.pop()
        nested.add(cls)
        hints = typing.get_type_hints(cls).values()
        found = (part for hint in hints for part in parts(hint))
        waiting += [part for part in found if dataclasses.is_dataclass(part)]
    assert nested <= {type(record) for record in instances()}


def test_a_file_of_a_model_is_held_to_the_ranges() -> None:
    plain = json.loads(DEBUG.to_json())
    plain["cameras"][1]["fov_deg"] = 0
    with pytest.raises(ConfigError, match=r"cameras\[1\].fov_deg: expected 1 to 179, got 0"):
        ModelConfig.from_json(json.dumps(plain))
    plain["cameras"][1]["fov_deg"] = 1e999
    with pytest.raises(ConfigError, match="expected JSON, got Infinity"):
        ModelConfig.from_json(json.dumps(plain))


@pytest.mark.parametrize("layers", [101, 200_000])
def test_models_that_nobody_could_build_are_refused(layers: int) -> None:
    with pytest.raises(ConfigError, match=f"language.layers: expected 1 to 100, got {layers}"):
        dataclasses.replace(DEBUG.language, layers=layers)
    with pytest.raises(ConfigError, match=r"language.layers: .* billion parameters"):
        dataclasses.replace(DEBUG.language, layers=100, hidden_size=16384, mlp_size=65536)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "NaN", '{"a": 1, "a": 2}', "{"])
def test_texts_that_are_no_json(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected"):
        ModelConfig.from_json(text)


@pytest.mark.parametrize("key", ["jpeg_quality", "creep_after_ticks", "threads"])
@pytest.mark.parametrize("value", ["NaN", "-1", "1e9", "2.5", "x", "true", "[1]", "{a: 1}", ".inf"])
def test_agent_files_are_held_to_the_ranges(key: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(f"{key}: {value}\n")
    with pytest.raises(SettingsError, match=rf"agent\.yaml: {key}: expected .*, got "):
        read_agent_settings(str(path))
    if "," not in value:
        with pytest.raises(SettingsError, match=f"agent config: {key}: expected .*, got "):
            read_agent_settings(f"{key}={value}")


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1e9", "x", "true"])
def test_expert_texts_are_held_to_the_ranges(value: str) -> None:
    with pytest.raises(SettingsError, match=r"agent config: interval_s: expected .*, got "):
        read_expert_settings(f"interval_s={value}")


@pytest.mark.parametrize("key", ["x_m", "width_px", "fov_deg"])
@pytest.mark.parametrize("value", ["NaN", "1e999", "10000000000", '"x"', "true", "null"])
def test_rigs_are_held_to_the_ranges(key: str, value: str, tmp_path: Path) -> None:
    camera = json.dumps({**dataclasses.asdict(DEBUG.cameras[0]), key: "VALUE"})
    path = tmp_path / "rig.json"
    path.write_text(f"[{camera}]".replace('"VALUE"', value))
    with pytest.raises(RigError, match=r"rig\.json"):
        load_rig(str(path))
