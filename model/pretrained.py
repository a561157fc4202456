"""Weights that others trained, for the parts of a model that can start from them.

:mod:`model.download` collects them in a directory: ``llava.safetensors`` (vision tower, projector
and newline of LLaVA-NeXT), ``resnet34.safetensors`` (the other vision tower) and
``resnet18.safetensors`` (the encoder of route images).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model.adaptors import RouteEncode
from model.checkpoint import CheckpointError, check_weights
from model.driving import DrivingModel
from model.vision import LLaVAnextEncoderModel

# Where transformers 4.x, 4.5x and 5.x keep a part; the first entry is what the files here use.
LLAVA_PREFIXES = {
    "tower.": (
        "vision_tower.vision_model.",
        "model.vision_tower.vision_model.",
        "model.vision_tower.",
        "vision_tower.",
    ),
    "projector.": ("multi_modal_projector.", "model.multi_modal_projector."),
    "image_newline": ("image_newline", "model.image_newline"),
}
RESNET_PREFIXES = {
    "embedder.": ("resnet.embedder.", "embedder."),
    "encoder.": ("resnet.encoder.", "encoder."),
}


def load_pretrained(model: DrivingModel, directory: Path | str) -> list[str]:
    """Fill the parts of ``model`` that others have trained; returns the names of the files read.

    Raises :class:`model.checkpoint.CheckpointError` where a file is missing or a tensor does not
    fit; the model is left as it was then.
    """
    directory = Path(directory)
    vision = model.vision_model
    if isinstance(vision, LLaVAnextEncoderModel):
        parts: dict[str, nn.Module] = {"llava.safetensors": _LlavaParts(vision)}
    else:
        parts = {"resnet34.safetensors": vision.get_submodule("tower")}
    if isinstance(model.context.route_encoder, RouteEncode):
        parts["resnet18.safetensors"] = model.context.route_encoder.backbone
    found: dict[str, dict[str, Tensor]] = {}
    for name, part in parts.items():
        path = directory / name
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            fetch = f"python -m model.download --to {directory} --parts {path.stem}"
            raise CheckpointError(f"{path}: {error}; to fetch it: {fetch}") from error
        wanted = part.state_dict().keys()
        found[name] = {key: weight for key, weight in weights.items() if key in wanted}
        check_weights(part, found[name], str(path))
    for name, part in parts.items():
        part.load_state_dict(found[name])
    return list(parts)


class _LlavaParts(nn.Module):
    """The pretrained parts of the encoder, under the names of ``llava.safetensors``."""

    def __init__(self, encoder: LLaVAnextEncoderModel) -> None:
        super().__init__()
        self.tower, self.projector = encoder.tower, encoder.projector
        self.image_newline = encoder.image_newline


def rename(names: Mapping[str, object], prefixes: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Source name -> our name, for those of ``names`` that begin like one of ``prefixes``."""
    found: dict[str, str] = {}
    for ours, theirs in prefixes.items():
        for prefix in theirs:
            matches = {
                name: ours + name[len(prefix) :] for name in names if name.startswith(prefix)
            }
            if matches:
                found.update(matches)
                break
    return found


def to_float(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Float32 for what is stored in half precision; counters stay integers."""
    return {k: (w.float() if w.is_floating_point() else w) for k, w in weights.items()}
