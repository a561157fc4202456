"""Read weights trained with SimLingo-Base's own code: ``python -m model.upstream SOURCE --to DIR``.

Source: the public repository RenzKa/simlingo, folder simlingo_base_training. Each of its keys must
match one rule of the table below; what matches none is an error that names it. SOURCE is a file
(.pt, .ckpt, .bin, .safetensors), or a directory: shards with their index, DeepSpeed's own
checkpoint, or what its zero_to_fp32.py wrote. Nothing that is pickled in them is run.

Weights of one camera serve any rig: each further camera (and each further moment) begins with the
encoding of the first, so that it is read as a front camera until training tells them apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model.checkpoint import (
    CheckpointError,
    load_strictly,
    make_folder,
    read_config,
    save_checkpoint,
)
from model.config import BASE, ConfigError, ModelConfig
from model.driving import DrivingModel
from model.pretrained import to_float
from model.shards import INDEX_SUFFIX, read_index
from model.torch_file import read_torch_file
from model.zero_checkpoint import find_zero_folder, read_zero_folder

logger = logging.getLogger(__name__)

# The published experiments: BASE with the two-layer heads and equalised images; how many cameras is
# the importer's choice.
UPSTREAM = dataclasses.replace(
    BASE, name="simlingo-base", route_head="published", image_enhancing=True
)

ADAPTER = ".lora_"
WRAPPERS = ("_forward_module.", "module.")
ENCODER = r"vision_model\.image_encoder\."
RESNET18 = r"route_encoder\.backbone\."

# Pattern of an upstream key -> our key, or None for a tensor that nothing here reads.
RULES: tuple[tuple[str, str | None], ...] = (
    (ENCODER + r"(?:model\.)?vision_tower\.(?:vision_model\.)?post_layernorm\..*", None),
    (ENCODER + r"(?:model\.)?vision_tower\.(?:vision_model\.)?embeddings\.position_ids", None),
    (
        ENCODER + r"(?:model\.)?vision_tower\.(?:vision_model\.)?(.*)",
        r"vision_model.tower.\1",
    ),
    (ENCODER + r"(?:model\.)?multi_modal_projector\.(.*)", r"vision_model.projector.\1"),
    (ENCODER + r"(?:model\.)?image_newline", "vision_model.image_newline"),
    (ENCODER + r"((?:embedder|encoder)\..*)", r"vision_model.tower.\1"),
    (r"(vision_model\.(?:projection\..*|temporal_encoding|camera_encoding))", r"\1"),
    (r"language_model\.model\.(?:.*\.)?rotary_emb\.inv_freq", None),
    # peft puts itself between the Llama and its layers when it adds adapters.
    (r"(language_model\.model\.)(?:base_model\.model\.)?((?:layers|norm)\..*)", r"\1\2"),
    (r"(language_projection\.weight)", r"\1"),
    (r"adaptors\.driving\.(.*)", r"driving_adaptor.\1"),
    (r"((?:speed|route)_encoder\.mlp\..*)", r"context.\1"),
    (
        RESNET18 + r"conv1\.(.*)",
        r"context.route_encoder.backbone.embedder.embedder.convolution.\1",
    ),
    (
        RESNET18 + r"bn1\.(.*)",
        r"context.route_encoder.backbone.embedder.embedder.normalization.\1",
    ),
    (RESNET18 + r"fc\.(.*)", r"context.route_encoder.fc.\1"),
)


def import_upstream(source: Path | str, config: ModelConfig) -> DrivingModel:
    """Build ``config``'s model and fill it; :class:`CheckpointError` names the key at fault.

    ``source`` is a ``.pt``/``.ckpt``/``.bin`` file, a ``.safetensors`` file, a directory of shards
    with their index, one of DeepSpeed, or one that DeepSpeed's ``zero_to_fp32.py`` wrote.
    """
    return build(read_state_dict(Path(source)), config, str(source))


def build(state: Mapping[str, Tensor], config: ModelConfig, source: str) -> DrivingModel:
    """``config``'s model with the weights of an upstream ``state``."""
    weights = {}
    unused_layer = f"vision_model.tower.encoder.layers.{config.vision.layers - 1}."
    for key, tensor in state.items():
        ours = our_key(key)
        if ours is None:
            raise CheckpointError(f"{source}: unknown key {key}")
        skipped = config.vision.feature_layer < -1 and ours.startswith(unused_layer)
        if ours and not skipped:
            weights[ours] = tensor
    _widen(weights, "vision_model.camera_encoding", 2, len(config.cameras))
    _widen(weights, "vision_model.temporal_encoding", 1, config.hist_len)
    model = DrivingModel(config)
    load_strictly(model, to_float(weights), source)
    return model.eval()


def released_config(state: Mapping[str, Tensor], cameras: int) -> ModelConfig:
    """The configuration of the published experiments, with the first so many cameras, and with
    adapters where the weights have some."""
    lora = any(ADAPTER in key for key in state)
    language = dataclasses.replace(UPSTREAM.language, lora=lora)
    return dataclasses.replace(UPSTREAM, cameras=UPSTREAM.cameras[:cameras], language=language)


def our_key(key: str) -> str | None:
    """Our name of an upstream key; empty for a known one that is not read, None for a stranger."""
    for wrapper in WRAPPERS:
        key = key.removeprefix(wrapper)
    for pattern, replacement in RULES:
        match = re.fullmatch(pattern, key)
        if match:
            return match.expand(replacement) if replacement else ""
    return _resnet18_key(key)


def _resnet18_key(key: str) -> str | None:
    """torchvision's names of a ResNet's blocks, in which counting starts at 1, into ours."""
    block = re.fullmatch(RESNET18 + r"layer(\d)\.(\d)\.(conv|bn)(\d)\.(.*)", key)
    names = {"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
    if block:
        stage, index, kind, place, rest = block.groups()
        inner = f"layer.{int(place) - 1}.{names[kind]}.{rest}"
    else:
        shortcut = re.fullmatch(RESNET18 + r"layer(\d)\.(\d)\.downsample\.([01])\.(.*)", key)
        if not shortcut:
            return None
        stage, index, kind, rest = shortcut.groups()
        inner = f"shortcut.{names[kind]}.{rest}"
    backbone = "context.route_encoder.backbone.encoder"
    return f"{backbone}.stages.{int(stage) - 1}.layers.{index}.{inner}"


def _widen(weights: dict[str, Tensor], key: str, axis: int, count: int) -> None:
    """Repeat a single encoding for all ``count`` cameras or moments."""
    tensor = weights.get(key)
    if tensor is not None and tensor.dim() == 5 and tensor.shape[axis] == 1:
        weights[key] = tensor.repeat_interleave(count, dim=axis)


def read_state_dict(source: Path) -> Mapping[str, Tensor]:
    """The tensors of a file, or of a directory of shards or of DeepSpeed; what else was in it is
    logged by name."""
    if source.is_dir():
        return _read_directory(source)
    if source.suffix == ".safetensors":
        try:
            return load_file(source)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{source}: {error}") from error
    file = read_torch_file(source)
    content = file.content
    for wrapping in ("state_dict", "module"):
        if isinstance(content, dict) and isinstance(content.get(wrapping), dict):
            content = content[wrapping]
    return _only_tensors(content, file.passed_over, source)


def _read_directory(source: Path) -> Mapping[str, Tensor]:
    zero_folder = find_zero_folder(source)
    if zero_folder is not None:
        file = read_zero_folder(zero_folder)
        return _only_tensors(file.content, file.passed_over, zero_folder)
    for index in sorted(source.glob(f"*{INDEX_SUFFIX}")):
        return _read_shards(index)
    for name in ("pytorch_model.bin", "model.safetensors", "pytorch_model.pt"):
        if (source / name).is_file():
            return read_state_dict(source / name)
    raise CheckpointError(
        f"{source}: expected weights (pytorch_model.bin, model.safetensors, an index of shards, or "
        "what DeepSpeed or its zero_to_fp32.py wrote), got none"
    )


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors that an index lists, each from the file that it names."""
    try:
        shards = read_index(index.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise CheckpointError(f"{index}: {error}") from error
    state: dict[str, Tensor] = {}
    for shard, names in shards.items():
        part = read_state_dict(index.parent / shard)
        for name in names:
            if name not in part:
                raise CheckpointError(f"{index.parent / shard}: missing key {name}")
            state[name] = part[name]
    return state


def _only_tensors(
    content: object, passed_over: Sequence[str], source: Path
) -> Mapping[str, Tensor]:
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{source}: expected a dict of tensors, got something else")
    for key, tensor in content.items():
        if not isinstance(key, str) or not torch.is_tensor(tensor):
            got = f"{key!r} with a {type(tensor).__name__}"
            raise CheckpointError(f"{source}: expected a dict of tensors, got {got}")
    if passed_over:
        programs = sorted({name.partition(".")[0] for name in passed_over})
        logger.warning(
            "%s: beside the tensors it holds objects of %s, which were not built",
            source,
            ", ".join(programs),
        )
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="file, or directory (see above)")
    parser.add_argument("--to", type=Path, required=True, help="directory of the new checkpoint")
    what = parser.add_mutually_exclusive_group()
    rig = "how many of front, left and right (default: the front alone, as released)"
    what.add_argument("--cameras", type=int, default=1, choices=(1, 2, 3), help=rig)
    options = "config.json of the model that was trained, where options or rig differ"
    what.add_argument("--config", type=Path, help=options)
    arguments = parser.parse_args()
    try:
        make_folder(arguments.to)
        config = read_config(arguments.config) if arguments.config else None
        state = read_state_dict(arguments.source)
        config = config or released_config(state, arguments.cameras)
        save_checkpoint(build(state, config, str(arguments.source)), arguments.to)
    except (CheckpointError, ConfigError) as error:
        sys.exit(f"error: {error}")
    print(f"Checkpoint: {arguments.to}")


if __name__ == "__main__":
    main()
