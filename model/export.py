"""Write a checkpoint's policy as one file: ``python -m model.export CHECKPOINT --to FILE``; or,
with ``--stages`` instead, the files in ``CHECKPOINT/onnx`` with which the agent drives on a CPU.

``FILE.pt2`` is a program of torch.export; ``FILE.onnx`` needs the packages onnx, onnxscript and
onnxruntime. Inputs: camera_images (1, time, cameras, 3, rows, columns) uint8, equalised beforehand
(:mod:`model.enhance`) if the model is one with ``image_enhancing``; vehicle_speed (1, history) in
m/s; route, which is what :class:`model.batch.DrivingInput` calls target_point (1, n, 2) in metres
or map_route (1, 3, 64, 64) uint8. Outputs: speed_wps and route as in
:class:`model.batch.DrivingOutput`. Float32 throughout.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.batch import DrivingInput
from model.checkpoint import CheckpointError, load_checkpoint
from model.config import ModelConfig
from model.driving import DrivingModel
from model.fused import FusedPolicy, stacked
from model.onnx_stages import (
    DIGEST_KEY,
    FOLDER,
    STAGE_FILES,
    OnnxError,
    OnnxStages,
    Stage,
    digest,
)
from model.runtime import blank_input

# Positions may differ by this much between eager and exported: far below what a car can follow.
PARITY_M = 1e-3
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


class ExportError(RuntimeError):
    """An export that this machine cannot make, or that does not compute what the model does."""


def export(model: DrivingModel, path: Path) -> float:
    """Write ``path`` (``.pt2`` or ``.onnx``), read it back and compare it with the model.

    Returns the largest difference of a coordinate, metres; raises :class:`ExportError` when it is
    above ``PARITY_M`` or when a package is missing.
    """
    check_target(path)
    policy = FusedPolicy(model)
    inputs = random_input(model.config)
    with torch.inference_mode():
        output = model.eval()(_as_batch(model.config, *inputs))
    expected = [part for part in output if part is not None]
    if path.suffix == ".pt2":
        outputs = _export_program(policy, inputs, path)
    else:
        outputs = _export_onnx(policy, inputs, path)
    pairs = zip(expected, outputs, strict=True)
    return _checked(path, max(float((ours - theirs).abs().max()) for ours, theirs in pairs))


def export_stages(model: DrivingModel, folder: Path) -> float:
    """Write the files of :mod:`model.onnx_stages` into ``folder`` and compare, as :func:`export`
    does."""
    check_packages()
    policy = FusedPolicy(model)
    images, speeds, route = random_input(model.config)
    with torch.no_grad():
        patches = policy.images(images)
        vision = policy.vision(patches)
        expected = policy(images, speeds, route)
    folder.mkdir(exist_ok=True)
    stamp = digest(model)
    for name, inputs in (("vision", (patches,)), ("language", (vision, speeds, route))):
        path = folder / STAGE_FILES[name]
        _write_onnx(Stage(policy, name), inputs, path)
        _stamp(path, stamp)
    outputs, _ = OnnxStages(policy, stamp, folder, threads=1).run(images, speeds, route)
    pairs = zip(expected, outputs, strict=True)
    return _checked(folder, max(float((a - b).abs().max()) for a, b in pairs))


def _stamp(path: Path, stamp: str) -> None:
    """Add the digest; take out where in which file each operation was written, which the exporter
    adds, with the paths of this machine."""
    onnx: Any = import_module("onnx")
    model = onnx.load(path)
    graph = model.graph
    parts = (graph.node, graph.value_info, graph.input, graph.output, graph.initializer)
    for noted in (graph, *(one for part in parts for one in part)):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    onnx.helper.set_model_props(model, {DIGEST_KEY: stamp})
    onnx.save(model, path)


def _checked(path: Path, error_m: float) -> float:
    if not error_m <= PARITY_M:
        raise ExportError(f"{path}: differs from the model by {error_m} m, allowed {PARITY_M} m")
    return error_m


def check_target(path: Path) -> None:
    """Raise :class:`ExportError` where ``path`` cannot be written or a package for it is missing:
    before the work rather than after it."""
    if path.suffix not in (".pt2", ".onnx"):
        raise ExportError(f"{path}: expected a name ending in .pt2 or .onnx")
    if path.is_dir() or not path.parent.is_dir():
        problem = "a folder of that name" if path.is_dir() else f"no folder {path.parent}"
        raise ExportError(f"{path}: expected a file in a folder that is there, got {problem}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ExportError(f"{path}: expected a place that can be written to, got a read-only one")
    if path.suffix == ".onnx":
        check_packages()


def check_packages() -> None:
    """Raise :class:`ExportError` where one that ONNX files are made with is missing."""
    for package in ONNX_PACKAGES:
        if find_spec(package) is None:
            raise ExportError(f"onnx: expected the package {package}, found none; pip install it")


def random_input(config: ModelConfig, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Images of noise and plausible numbers, in the shapes of ``config``."""
    generator = torch.Generator().manual_seed(seed)
    images, speeds, route = blank_input(config)
    images = torch.randint(0, 256, images.shape, generator=generator).to(torch.uint8)
    speeds = 10.0 * torch.rand(speeds.shape, generator=generator)
    if route.is_floating_point():
        route = 20.0 * torch.randn(route.shape, generator=generator)
    return images, speeds, route


def _as_batch(config: ModelConfig, images: Tensor, speeds: Tensor, route: Tensor) -> DrivingInput:
    """The model's own input."""
    drawn = config.route_as == "image"
    return DrivingInput(
        camera_images=images,
        camera_intrinsics=stacked([camera.intrinsics() for camera in config.cameras]),
        camera_extrinsics=stacked([camera.extrinsics() for camera in config.cameras]),
        vehicle_speed=speeds,
        map_route=route if drawn else None,
        target_point=None if drawn else route.squeeze(1) if config.route_tokens == 1 else route,
    )


def _export_program(
    policy: FusedPolicy, inputs: tuple[Tensor, ...], path: Path
) -> tuple[Tensor, ...]:
    torch.export.save(torch.export.export(policy, inputs), path)
    outputs: tuple[Tensor, ...] = torch.export.load(path).module()(*inputs)
    return outputs


def _export_onnx(policy: FusedPolicy, inputs: tuple[Tensor, ...], path: Path) -> tuple[Tensor, ...]:
    by_name = dict(zip(("camera_images", "vehicle_speed", "route"), inputs, strict=True))
    _write_onnx(policy, inputs, path, list(by_name))
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # An input that the model does not read is not in the graph.
    fed = {entry.name: by_name[entry.name].numpy() for entry in session.get_inputs()}
    return tuple(torch.from_numpy(np.asarray(output)) for output in session.run(None, fed))


def _write_onnx(
    module: torch.nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: list[str] | None = None,
) -> None:
    torch.onnx.export(
        module,
        inputs,
        path,
        input_names=input_names,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", type=Path, help="FILE.pt2 or FILE.onnx")
    target.add_argument("--stages", action="store_true", help="write CHECKPOINT/onnx")
    arguments = parser.parse_args()
    path = arguments.checkpoint / FOLDER if arguments.stages else arguments.to
    try:
        if arguments.stages:
            check_packages()
            error_m = export_stages(load_checkpoint(arguments.checkpoint), path)
        else:
            check_target(path)
            error_m = export(load_checkpoint(arguments.checkpoint), path)
    except (CheckpointError, ExportError, OnnxError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{path}: largest difference {error_m:.1e} m")


if __name__ == "__main__":
    main()
