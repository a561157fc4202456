"""A checkpoint is a directory with ``config.json`` and ``model.safetensors``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from model.config import ConfigError, ModelConfig
from model.driving import DrivingModel
from model.strict_json import from_plain, parse

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SCHEMA_KEY = "schema_version"
SCHEMA_VERSION = 1
"""Of `config.json` and the names of the weights; to be raised when a checkpoint of today would no
longer be read right. Checkpoints that were written before it was noted are of version 1."""
ADDED_BEFORE_SCHEMA = {"image_enhancing": False}
"""Options that came while the version was not noted yet, as the checkpoints without them were
trained."""
FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
SHIPPED = Path(__file__).parent / "checkpoints"


class CheckpointError(ValueError):
    """A checkpoint that does not fit; the message names the file and the first differing key."""


def make_folder(directory: Path) -> None:
    """Make a folder to write into; raises :class:`CheckpointError`, and best before the work."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(f"{directory}: expected a folder, cannot make it: {error}") from error
    if not os.access(directory, os.W_OK):
        raise CheckpointError(f"{directory}: expected a folder that can be written to")


def save_checkpoint(model: DrivingModel, directory: Path | str) -> None:
    """Write the model's configuration and weights (float32) into ``directory``."""
    directory = Path(directory)
    make_folder(directory)
    weights = {
        name: (tensor.float() if tensor.is_floating_point() else tensor).cpu().contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(weights, directory / WEIGHTS_FILE)
    content = {SCHEMA_KEY: SCHEMA_VERSION, **json.loads(model.config.to_json())}
    text = json.dumps(content, indent=2) + "\n"
    (directory / CONFIG_FILE).write_text(text, encoding="utf-8")


def load_config(directory: Path | str) -> ModelConfig:
    """Read a checkpoint's configuration; raises :class:`CheckpointError`."""
    return read_config(Path(directory) / CONFIG_FILE)


def read_config(path: Path) -> ModelConfig:
    """Read a configuration's file; raises :class:`CheckpointError`."""
    try:
        content = parse(path.read_text(encoding="utf-8"))
        return from_plain(ModelConfig, _of_this_schema(content))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def _of_this_schema(content: object) -> object:
    """The configuration without its schema's version; raises :class:`ConfigError` for another."""
    if not isinstance(content, dict):
        return content
    if SCHEMA_KEY not in content:
        return ADDED_BEFORE_SCHEMA | content
    version = content[SCHEMA_KEY]
    if version != SCHEMA_VERSION:
        raise ConfigError(
            f"{SCHEMA_KEY}: expected {SCHEMA_VERSION}, got {version!r}; "
            "the checkpoint is of another version of this program, which has to read it"
        )
    return {key: value for key, value in content.items() if key != SCHEMA_KEY}


def load_checkpoint(directory: Path | str) -> DrivingModel:
    """Build the model that ``directory`` describes, on the CPU, in evaluation mode.

    Every weight must be there, none may be left over, all shapes must agree and all numbers be
    finite; otherwise :class:`CheckpointError`, before a model is built.
    """
    config, weights = load_config(directory), read_weights(directory)
    path = Path(directory) / WEIGHTS_FILE
    try:
        # Shapes and types without memory: a configuration may ask for more than there is.
        with torch.device("meta"):
            outline = DrivingModel(config)
        check_weights(outline, weights, str(path))
        model = DrivingModel(config)
    except ConfigError as error:
        raise CheckpointError(f"{Path(directory) / CONFIG_FILE}: {error}") from error
    model.load_state_dict(weights)
    return model.eval()


def load_weights(model: DrivingModel, directory: Path | str) -> None:
    """Fill ``model`` from a checkpoint's weights, strictly; raises :class:`CheckpointError`."""
    load_strictly(model, read_weights(directory), str(Path(directory) / WEIGHTS_FILE))


def read_weights(directory: Path | str) -> dict[str, Tensor]:
    """A checkpoint's weights, unchecked; raises :class:`CheckpointError`."""
    path = Path(directory) / WEIGHTS_FILE
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: {error}") from error


def load_strictly(module: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy ``weights`` into ``module``: all of them, or none where :func:`check_weights` raises."""
    check_weights(module, weights, source)
    module.load_state_dict(dict(weights))


def check_weights(module: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Raise :class:`CheckpointError` unless keys, shapes and types match one to one and every
    number is finite."""
    expected = module.state_dict()
    for key in sorted(expected.keys() | weights.keys()):
        if key not in weights:
            raise CheckpointError(f"{source}: missing key {key}")
        if key not in expected:
            raise CheckpointError(f"{source}: unknown key {key}")
        want, got = tuple(expected[key].shape), tuple(weights[key].shape)
        if want != got:
            raise CheckpointError(f"{source}: {key}: expected shape {want}, got {got}")
        _check_numbers(expected[key].dtype, weights[key], f"{source}: {key}")


def _check_numbers(expected: torch.dtype, tensor: Tensor, where: str) -> None:
    """Any of the usual floating-point types serves for another; a counter is a counter."""
    allowed = FLOATS if expected in FLOATS else (expected,)
    if tensor.dtype not in allowed:
        names = " or ".join(str(dtype) for dtype in allowed)
        raise CheckpointError(f"{where}: expected {names}, got {tensor.dtype}")
    if tensor.dtype in FLOATS and not bool(torch.isfinite(tensor).all()):
        unusable = int((~torch.isfinite(tensor)).sum())
        raise CheckpointError(f"{where}: expected finite numbers, got {unusable} NaN or infinite")
