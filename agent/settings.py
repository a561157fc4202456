"""The agent-config string: a checkpoint's path, `key=value` pairs, or a file of them.

    model/checkpoints/nano                     a checkpoint directory
    device=cpu,jpeg_quality=0                  settings by name, separated by commas
    my_agent.yaml                              the same as a YAML or JSON file
    device=cpu+route_42                        Bench2Drive appends "+" and a name for the results

Bench2Drive's evaluator appends once more for each further route of a run, so the name is what
follows the last "+" and the configuration what precedes the first one (or the longest part that
exists as a path, for paths with a "+" in them).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from agent.observation import ObserverSettings, Ticks
from model.config import FRAME_INTERVAL_S
from model.strict_json import ConfigError, Within, check_fields
from planner.controller import ControllerSettings
from planner.creep import CreepSettings
from planner.delay import LONGEST_DELAY_TICKS

REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULT_CHECKPOINT = REPOSITORY / "model" / "checkpoints" / "nano"
FILE_SUFFIXES = (".yaml", ".yml", ".json")
CONFIG_FILE = "config.json"
AtLeastOneTick = Annotated[int, Within(1, 72_000)]
DelayTicks = Annotated[int, Within(0, LONGEST_DELAY_TICKS)]
TimesPerMinute = Annotated[float, Within(0, 600)]


class SettingsError(ValueError):
    """An agent-config string that cannot be read; the message names the key or file."""


@dataclass(frozen=True)
class AgentSettings:
    """Settings of the learned agent.

    Attributes:
        checkpoint: directory with config.json and model.safetensors.
        policy: address of a policy server (`agent/policy_server.py`) that plans in place of a
            checkpoint in this process; checkpoint, device, threads and backend are its own then.
        policy_timeout_s: how long the server may take for a plan before the car is braked.
        device: cpu, cuda, cuda:1 or auto.
        threads: of torch on a CPU; 0 leaves torch's own number.
        backend: how the network is run: auto, eager, compiled (on a CPU a sixth less time per tick,
            but a minute at the first start and seconds later, and a C++ compiler is needed), onnx
            (on a CPU a quarter less), or graphs (GPU); auto takes the fastest that is ready.
        jpeg_quality: see `ObserverSettings`; 0 switches the JPEG round trip off.
        max_stale_ticks: see `ObserverSettings`.
        max_blind_ticks: see `ObserverSettings`.
        max_frozen_ticks: see `ObserverSettings`; 0 to drive with images that never change.
        start_brake_ticks: how long the car is held after it has been spawned.
        creep_after_ticks: how long the car stands before it is pushed on; see `CreepSettings`.
        creep_push_ticks: length of a push.
        delay_ticks: by how many ticks the controls are late, where that is known: the controller
            then drives from where the car will be (`planner/delay.py`).
        delay_measured: the same, by the time that this agent takes for a tick.
        record: folder for a debug session (video and steps.jsonl), or a file that ends in .rrd for
            one on Rerun's timeline; none when empty.
        record_every: every how many ticks the session gets an image.
        save_name: Bench2Drive's name of the run; the debug session is filed under it.
    """

    checkpoint: Path = DEFAULT_CHECKPOINT
    policy: str = ""
    policy_timeout_s: Annotated[float, Within(0.001, 600)] = 1.0
    device: str = "auto"
    threads: Annotated[int, Within(0, 1024)] = 1
    backend: str = "auto"
    jpeg_quality: Annotated[int, Within(0, 100)] = ObserverSettings.jpeg_quality
    max_stale_ticks: Ticks = ObserverSettings.max_stale_ticks
    max_blind_ticks: Ticks = ObserverSettings.max_blind_ticks
    max_frozen_ticks: Ticks = ObserverSettings.max_frozen_ticks
    start_brake_ticks: Ticks = ControllerSettings.start_brake_ticks
    creep_after_ticks: AtLeastOneTick = CreepSettings.patience_ticks
    creep_push_ticks: AtLeastOneTick = CreepSettings.push_ticks
    delay_ticks: DelayTicks = 0
    delay_measured: bool = False
    record: str = ""
    record_every: AtLeastOneTick = 2
    save_name: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def observer(self) -> ObserverSettings:
        """The part that concerns the sensors."""
        return ObserverSettings(
            self.jpeg_quality, self.max_stale_ticks, self.max_blind_ticks, self.max_frozen_ticks
        )


@dataclass(frozen=True)
class ExpertSettings:
    """Settings of the privileged driver and data collector.

    Attributes:
        record: root of a dataset to record into; none when empty.
        split: training or validation (a folder of the dataset).
        group: folder below the split.
        scenario: folder below the group.
        town: name for the route's folder; the map's own when empty.
        route: name of the route in its folder; save_name or "0" when empty.
        rig: preset (nano, base) or rig.json whose cameras are recorded.
        interval_s: time between two recorded frames; training takes none but 0.25 s.
        shift_m: largest sideways shift of the augmented cameras.
        turn_deg: largest turn of the augmented cameras.
        jpeg_quality: of the recorded images.
        cameras: also mount the rig as the agent's own sensors, for a video of the drive.
        perturb: mean number of steering disturbances per minute; the labels do not show them.
        hesitate: mean number of times per minute that the car brakes for no reason; training
            leaves out the positions that show it.
        target_noise_m: standard deviation of the position from which target points are computed.
        limit_factor: share of the speed limit that is driven.
        by_plan: drive by the plan alone, through the controller of the learned agent, as if a
            perfect network had planned.
        delay_ticks: with by_plan, see `AgentSettings`.
        driver: checkpoint that drives, while the expert only tells and records what it would do
            from wherever that has brought the car; the expert itself when empty.
        seed: of shifts, disturbances and noise.
        save_name: Bench2Drive's name of the run.
    """

    record: str = ""
    split: str = "training"
    group: str = "routes"
    scenario: str = "lane_following"
    town: str = ""
    route: str = ""
    rig: str = "nano"
    interval_s: Annotated[float, Within(0.05, 60)] = FRAME_INTERVAL_S
    shift_m: Annotated[float, Within(0, 10)] = 1.0
    turn_deg: Annotated[float, Within(0, 90)] = 10.0
    jpeg_quality: Annotated[int, Within(1, 100)] = 90
    cameras: bool = False
    perturb: TimesPerMinute = 0.0
    hesitate: TimesPerMinute = 0.0
    target_noise_m: Annotated[float, Within(0, 100)] = 0.0
    limit_factor: Annotated[float, Within(0.1, 1)] = 0.98
    by_plan: bool = False
    delay_ticks: DelayTicks = 0
    driver: str = ""
    seed: Annotated[int, Within(0, 2**63 - 1)] = 0
    save_name: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class ConfigText:
    """The parts of an agent-config string."""

    config: str
    save_name: str = field(default="")


Settings = TypeVar("Settings", AgentSettings, ExpertSettings)


def split_save_name(text: str) -> ConfigText:
    """Separate Bench2Drive's save name from the configuration.

    os.path answers that there is no such file where pathlib raises: after a few routes the text is
    longer than a file name may be.
    """
    parts = text.split("+")
    if len(parts) == 1 or os.path.exists(text):
        return ConfigText(text)
    for count in range(len(parts) - 1, 0, -1):
        config = "+".join(parts[:count])
        if config and os.path.exists(config):
            return ConfigText(config, parts[-1])
    return ConfigText(parts[0], parts[-1])


def read_agent_settings(text: str | None) -> AgentSettings:
    """Settings of the learned agent from its config string; "" or None means the defaults."""
    config = split_save_name((text or "").strip())
    path = Path(config.config)
    if config.config and "=" not in config.config and path.suffix not in FILE_SUFFIXES:
        if not os.path.isdir(path):
            raise SettingsError(
                f"agent config {config.config!r}: expected a checkpoint directory, key=value pairs "
                f"or a file ending in {', '.join(FILE_SUFFIXES)}; there is no such directory"
            )
        return AgentSettings(checkpoint=path, save_name=config.save_name)
    return _build(AgentSettings, config)


def read_expert_settings(text: str | None) -> ExpertSettings:
    """Settings of the expert from its config string; "" or None means the defaults."""
    return _build(ExpertSettings, split_save_name((text or "").strip()))


def _build(kind: type[Settings], config: ConfigText) -> Settings:
    values: dict[str, Any] = {"save_name": config.save_name}
    source = "agent config"
    if Path(config.config).suffix in FILE_SUFFIXES and "=" not in config.config:
        source = f"agent config {config.config}"
        values.update(_read_file(Path(config.config)))
    elif config.config:
        values.update(_read_pairs(config.config))
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise SettingsError(f"{source}: unknown key {key!r}; known: {', '.join(sorted(hints))}")
    try:
        return kind(**{key: _convert(key, value, hints[key]) for key, value in values.items()})
    except ConfigError as error:
        raise SettingsError(f"{source}: {error}") from error


def _read_pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in text.split(","):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"agent config: expected key=value, got {item!r}")
        if key.strip() in pairs:
            raise SettingsError(f"agent config: the key {key.strip()!r} is given twice")
        pairs[key.strip()] = value.strip()
    return pairs


def _read_file(path: Path) -> dict[str, Any]:
    """A mapping from a YAML file; JSON is read by the same parser, which it is a part of."""
    import yaml  # only needed for files

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"agent config {path}: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"agent config {path}: nested too deeply") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(
            f"agent config {path}: expected a mapping of settings, got {type(content).__name__}"
        )
    return {str(key): value for key, value in content.items()}


def _convert(key: str, value: Any, kind: Any) -> Any:
    """A text, or what YAML made of one, as the type of its field. A number or a switch may be
    written as a text, and a name as a number; nothing else changes its type."""
    try:
        if isinstance(value, str):
            return _to_bool(value) if kind is bool else kind(value)
    except ValueError as error:
        raise ConfigError(f"{key}: expected {kind.__name__}, got {value!r}") from error
    return str(value) if kind is str and type(value) in (int, float) else value


def _to_bool(value: str) -> bool:
    text = value.lower()
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ValueError(value)
