"""The stages that cost anything, run by ONNX Runtime: in three quarters of the time
that torch takes on a CPU, without a compiler.

``CHECKPOINT/onnx`` holds one file for each stage, written by ``python -m model.export CHECKPOINT
--stages``. They carry a digest of the weights and the configuration that they were made from, so
that files of other weights are never driven with.
"""

from __future__ import annotations

import hashlib
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.driving import DrivingModel
from model.fused import FusedPolicy

FOLDER = "onnx"
STAGE_FILES = {"vision": "vision.onnx", "language": "language.onnx"}
DIGEST_KEY = "simlingo_digest"
EXTRA = "onnxruntime"


class OnnxError(ValueError):
    """Stages that cannot be run; the message names the file and the fix."""


def digest(model: DrivingModel) -> str:
    """What tells one model from another: its configuration and its weights.

    Those of the checkpoint: the last bits of a :class:`FusedPolicy`, whose matrices are products,
    are others on another processor.
    """
    sums = hashlib.sha256(model.config.to_json().encode())
    for name, tensor in sorted(model.state_dict().items()):
        sums.update(name.encode())
        sums.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return sums.hexdigest()


def is_usable(folder: Path) -> bool:
    """Whether all stages lie there and the package that runs them is installed."""
    files = all((folder / name).is_file() for name in STAGE_FILES.values())
    return files and find_spec(EXTRA) is not None


class OnnxStages:
    """Runs vision and language by ONNX Runtime, images and head by torch.

    Raises :class:`OnnxError` where the files are missing, damaged or of other weights, or the
    package is not installed.
    """

    def __init__(self, policy: FusedPolicy, wanted: str, folder: Path, threads: int) -> None:
        """`wanted` is the :func:`digest` of the model that `policy` was made from."""
        self.policy = policy
        if find_spec(EXTRA) is None:
            raise OnnxError(f"backend: onnx needs the package {EXTRA}: pip install {EXTRA}")
        self._vision = _session(folder / STAGE_FILES["vision"], wanted, threads)
        self._language = _session(folder / STAGE_FILES["language"], wanted, threads)

    @torch.inference_mode()
    def run(
        self, images: Tensor, speeds: Tensor, route: Tensor
    ) -> tuple[tuple[Tensor, ...], list[float]]:
        """Tensors in, tensors and the milliseconds of each stage out."""
        clock_s = [time.perf_counter()]
        patches = self.policy.images(images)
        clock_s.append(time.perf_counter())
        vision = _call(self._vision, patches)
        clock_s.append(time.perf_counter())
        features = _call(self._language, vision, speeds, route)
        clock_s.append(time.perf_counter())
        outputs = self.policy.head(features)
        clock_s.append(time.perf_counter())
        return outputs, (1e3 * np.diff(clock_s)).tolist()


def _session(path: Path, wanted: str, threads: int) -> Any:
    runtime = import_module(EXTRA)
    if not path.is_file():
        raise OnnxError(f"{path}: not there; python -m model.export CHECKPOINT --stages writes it")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    # The package's errors share no class but Exception.
    except Exception as error:
        raise OnnxError(f"{path}: cannot be read: {error}") from error
    if session.get_modelmeta().custom_metadata_map.get(DIGEST_KEY) != wanted:
        raise OnnxError(
            f"{path}: made from other weights than those beside it; "
            "python -m model.export CHECKPOINT --stages writes it anew"
        )
    return session


def _call(session: Any, *arguments: Tensor) -> Tensor:
    names = [entry.name for entry in session.get_inputs()]
    fed = {name: tensor.numpy() for name, tensor in zip(names, arguments, strict=True)}
    return torch.from_numpy(session.run(None, fed)[0])


class Stage(torch.nn.Module):
    """One stage as a module of its own, which is what an exporter takes."""

    def __init__(self, policy: FusedPolicy, name: str) -> None:
        super().__init__()
        self.policy = policy
        self.name = name

    def forward(self, *arguments: Tensor) -> Tensor:
        result: Tensor = getattr(self.policy, self.name)(*arguments)
        return result
