"""Read weights trained with SimLingo-Base's own code: ``python -m model.upstream SOURCE --to DIR``.

Source: the public repository RenzKa/simlingo, folder simlingo_base_training. Each of its keys must
match one rule of the table below; what matches none is an error that names it.

Weights of one camera serve any rig: each further camera (and each further moment) begins with the
encoding of the first, so that it is read as a front camera until training tells them apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pickle
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from model.checkpoint import CheckpointError, load_strictly, read_config, save_checkpoint
from model.config import BASE, ModelConfig
from model.driving import DrivingModel
from model.pretrained import to_float

# The released weights: BASE with the two-layer heads; how many cameras is the importer's choice.
UPSTREAM = dataclasses.replace(BASE, name="simlingo-base", route_head="published")

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
    (r"(language_model\.model\.(?:layers|norm)\..*)", r"\1"),
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

    ``source`` is a ``.pt``/``.ckpt``/``.bin`` file, a ``.safetensors`` file, or the directory that
    DeepSpeed's ``zero_to_fp32.py`` wrote.
    """
    weights = {}
    unused_layer = f"vision_model.tower.encoder.layers.{config.vision.layers - 1}."
    for key, tensor in read_state_dict(Path(source)).items():
        ours = our_key(key)
        if ours is None:
            raise CheckpointError(f"{source}: unknown key {key}")
        skipped = config.vision.feature_layer < -1 and ours.startswith(unused_layer)
        if ours and not skipped:
            weights[ours] = tensor
    _widen(weights, "vision_model.camera_encoding", 2, len(config.cameras))
    _widen(weights, "vision_model.temporal_encoding", 1, config.hist_len)
    model = DrivingModel(config)
    load_strictly(model, to_float(weights), str(source))
    return model.eval()


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
    """The tensors of a file, or of a directory of consolidated DeepSpeed weights."""
    if source.is_dir():
        return _read_directory(source)
    try:
        if source.suffix == ".safetensors":
            return load_file(source)
        content = torch.load(source, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise CheckpointError(f"{source}: {error}") from error
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(torch.is_tensor(v) for v in content.values()):
        raise CheckpointError(f"{source}: expected a dict of tensors, got something else")
    return content


def _read_directory(source: Path) -> Mapping[str, Tensor]:
    for index in sorted(source.glob("*.index.json")):
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        parts = [read_state_dict(source / shard) for shard in sorted(shards)]
        return {key: tensor for part in parts for key, tensor in part.items()}
    for name in ("pytorch_model.bin", "model.safetensors", "pytorch_model.pt"):
        if (source / name).is_file():
            return read_state_dict(source / name)
    raise CheckpointError(
        f"{source}: expected consolidated weights (pytorch_model.bin or model.safetensors), got "
        "none; write them with the zero_to_fp32.py that DeepSpeed left in the checkpoint"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="file, or directory of consolidated weights")
    parser.add_argument("--to", type=Path, required=True, help="directory of the new checkpoint")
    what = parser.add_mutually_exclusive_group()
    rig = "how many of front, left and right (default: the front alone, as released)"
    what.add_argument("--cameras", type=int, default=1, choices=(1, 2, 3), help=rig)
    options = "config.json of the model that was trained, where options or rig differ"
    what.add_argument("--config", type=Path, help=options)
    arguments = parser.parse_args()
    try:
        if arguments.config is None:
            cameras = UPSTREAM.cameras[: arguments.cameras]
            config = dataclasses.replace(UPSTREAM, cameras=cameras)
        else:
            config = read_config(arguments.config)
        save_checkpoint(import_upstream(arguments.source, config), arguments.to)
    except CheckpointError as error:
        sys.exit(f"error: {error}")
    print(f"Checkpoint: {arguments.to}")


if __name__ == "__main__":
    main()
