"""One object that owns device, number types and warm-up, and turns observations into plans."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.batch import InputError
from model.config import ModelConfig
from model.driving import DrivingModel
from model.eager import EagerStages
from model.enhance import equalise
from model.fused import FusedPolicy
from model.graphs import GraphedStages
from model.latency import LatencyLog
from model.onnx_stages import OnnxError, OnnxStages, digest, is_usable
from model.route import ROUTE_SPACING_M, draw_route, equal_spacing, points_at

logger = logging.getLogger(__name__)

STAGES = ("images", "vision", "language", "head")
BACKENDS = ("auto", "eager", "compiled", "onnx", "graphs")
WARM_UP_TICKS = 3


class DeviceError(ValueError):
    """A device that cannot be used; the message names it and what there is."""


@dataclass(frozen=True)
class Prediction:
    """What the model foresees, ego frame, metres; and how long each stage took.

    ``speed_wps`` (10, 2): positions 0.25 s apart. ``route`` (20, 2): points 1 m apart. Where the
    model has no route head, the route is the path over the waypoints; where it predicts distances
    only (``1d``), the waypoints lie at these distances along the route.
    """

    speed_wps: NDArray[np.float32]
    route: NDArray[np.float32]
    stage_ms: Mapping[str, float]


class Runtime:
    """Runs a model: vision and Llama in bfloat16 on a GPU, everything in float32 on a CPU.

    ``device`` is ``cpu``, ``cuda``, ``cuda:N`` or ``auto`` (a GPU where there is one). ``backend``
    is one of ``BACKENDS``: ``eager`` launches the network's operations one by one; ``compiled``
    sends the stages through torch.compile, which on a CPU saves a sixth of the time but needs a C++
    compiler and, at the first start, a minute; on a CPU ``onnx`` runs the files in ``onnx_folder``
    (:mod:`model.onnx_stages`); on a GPU ``graphs`` replays the stages as CUDA graphs, and
    ``compiled`` does both. ``auto`` is ``compiled`` on a GPU, ``onnx`` on a CPU where the files and
    their package are there, else ``eager``.
    On a CPU torch is set to ``threads`` threads, for the whole process: beside a simulator more
    than one is slower (0: torch keeps its own number). The first ticks, which allocate and compile,
    are run here with empty images. Raises :class:`DeviceError` for a device or a backend that
    cannot be used.
    """

    def __init__(
        self,
        model: DrivingModel,
        device: str = "auto",
        *,
        backend: str = "auto",
        threads: int = 1,
        onnx_folder: Path | None = None,
    ) -> None:
        self.device = find_device(device)
        self.backend = find_backend(backend, self.device, onnx_folder)
        on_gpu = self.device.type == "cuda"
        self.config = model.config
        self.latency = LatencyLog()
        self.policy = FusedPolicy(model).place(
            self.device, torch.bfloat16 if on_gpu else torch.float32
        )
        if not on_gpu and threads:
            torch.set_num_threads(threads)
        self._stages = self._make_stages(model, onnx_folder, threads, backend == "auto")
        self._warm_up()

    def _make_stages(
        self, model: DrivingModel, onnx_folder: Path | None, threads: int, chosen_here: bool
    ) -> EagerStages | GraphedStages | OnnxStages:
        if self.backend == "onnx" and onnx_folder is not None:
            try:
                return OnnxStages(self.policy, digest(model), onnx_folder, threads)
            except OnnxError as error:
                if not chosen_here:
                    raise DeviceError(str(error)) from error
                logger.warning("the network runs in torch: %s", error)
                self.backend = "eager"
        if self.device.type == "cuda" and self.backend != "eager":
            return GraphedStages(self.policy, compiled=self.backend == "compiled")
        stages = EagerStages(self.policy)
        if self.backend == "compiled":
            stages.compile(*blank_input(self.config))
        return stages

    def predict(
        self,
        images: NDArray[np.uint8],
        speed_mps: float | NDArray[np.floating],
        targets_ego_m: NDArray[np.floating],
    ) -> Prediction:
        """One tick.

        ``images`` (cameras, rows, columns, 3) RGB in the order of ``config.cameras``, with a
        leading axis of moments when ``hist_len`` is above 1. ``speed_mps``: one, or the history.
        ``targets_ego_m`` (n, 2): the sparse targets or the route points that ``route_as`` asks for;
        points beyond the number that the model reads are ignored. Raises
        :class:`model.batch.InputError`, which names the argument, expected and got.
        """
        checked = self._check_images(images)
        speeds = self._check_speed(speed_mps)
        route = self._route_input(targets_ego_m)
        outputs, stage_ms = self._run(checked, speeds, route)
        self.latency.add(stage_ms)
        return self._prediction(outputs, stage_ms)

    def _check_images(self, images: NDArray[np.uint8]) -> Tensor:
        config = self.config
        camera = config.cameras[0]
        expected: tuple[int, ...] = (len(config.cameras), camera.height_px, camera.width_px, 3)
        if config.hist_len > 1:
            expected = (config.hist_len, *expected)
        if not isinstance(images, np.ndarray):
            raise InputError(f"images: expected a numpy array, got {type(images).__name__}")
        if images.shape != expected:
            raise InputError(f"images: expected shape {expected}, got {images.shape}")
        if images.dtype != np.uint8:
            raise InputError(f"images: expected uint8, got {images.dtype}")
        if config.image_enhancing:
            images = equalise(images)
        tensor = torch.from_numpy(np.ascontiguousarray(images)).reshape(
            1, config.hist_len, *expected[-4:]
        )
        return tensor.permute(0, 1, 2, 5, 3, 4)

    def _check_speed(self, speed_mps: float | NDArray[np.floating]) -> Tensor:
        speeds = np.atleast_1d(_numbers("speed_mps", speed_mps))
        if speeds.shape != (self.config.speed_history,):
            raise InputError(
                f"speed_mps: expected {self.config.speed_history} values, got shape {speeds.shape}"
            )
        if not np.isfinite(speeds).all():
            raise InputError(f"speed_mps: expected finite numbers, got {speeds.tolist()}")
        return torch.from_numpy(speeds)[None]

    def _route_input(self, targets_ego_m: NDArray[np.floating]) -> Tensor:
        points = _numbers("targets_ego_m", targets_ego_m)
        wanted = 1 if self.config.route_as == "image" else self.config.route_tokens
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < wanted:
            raise InputError(
                f"targets_ego_m: expected shape ({wanted}, 2) or longer, got {points.shape}"
            )
        if not np.isfinite(points).all():
            raise InputError(f"targets_ego_m: expected finite numbers, got {points.tolist()}")
        if self.config.route_as == "image":
            return torch.from_numpy(draw_route(points))[None]
        return torch.from_numpy(points[:wanted])[None]

    def _run(
        self, images: Tensor, speeds: Tensor, route: Tensor
    ) -> tuple[tuple[Tensor, ...], Mapping[str, float]]:
        outputs, spans_ms = self._stages.run(images, speeds, route)
        return outputs, dict(zip(STAGES, spans_ms, strict=True))

    def _prediction(self, outputs: tuple[Tensor, ...], stage_ms: Mapping[str, float]) -> Prediction:
        predicted = [output[0].numpy() for output in outputs]
        waypoints = predicted[0]
        if len(predicted) == 1:
            route = equal_spacing(waypoints, ROUTE_SPACING_M, self.config.route_points)
            return Prediction(waypoints, route, stage_ms)
        route = predicted[1]
        if self.config.speed_wps_mode == "1d":
            waypoints = points_at(route, waypoints[:, 0])
        return Prediction(waypoints, route, stage_ms)

    def _warm_up(self) -> None:
        images, speeds, route = blank_input(self.config)
        for _ in range(WARM_UP_TICKS):
            self._run(images, speeds, route)


def _numbers(argument: str, values: object) -> NDArray[np.float32]:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{argument}: expected numbers, got {values!r}") from error


def find_device(name: str) -> torch.device:
    """``cpu``, ``cuda``, ``cuda:N`` or ``auto``; :class:`DeviceError` where this machine has none
    of that name."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device: expected cpu, cuda, cuda:N or auto, got {name!r}") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise DeviceError(
            f"device: {name!r} asked for, but torch {torch.__version__} sees {count} GPUs"
        )
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device: expected cpu, cuda, cuda:N or auto, got {name!r}")
    return device


def find_backend(name: str, device: torch.device, onnx_folder: Path | None = None) -> str:
    """What ``auto`` means on ``device``; any other of ``BACKENDS`` as it is. Raises
    :class:`DeviceError` for an unknown one and for one that is not for ``device``."""
    if name not in BACKENDS:
        raise DeviceError(f"backend: expected one of {', '.join(BACKENDS)}, got {name!r}")
    on_gpu = device.type == "cuda"
    if name == "graphs" and not on_gpu:
        raise DeviceError("backend: graphs need device=cuda, got cpu; take eager or compiled")
    if name == "onnx" and (on_gpu or onnx_folder is None):
        raise DeviceError("backend: onnx needs device=cpu and the files of model.export --stages")
    if name != "auto":
        return name
    if on_gpu:
        return "compiled"
    return "onnx" if onnx_folder is not None and is_usable(onnx_folder) else "eager"


def blank_input(config: ModelConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Images, speeds and route of a batch of one, all zero, in the shapes of ``config``."""
    camera = config.cameras[0]
    size = (config.hist_len, len(config.cameras), camera.height_px, camera.width_px, 3)
    images = torch.zeros(1, *size, dtype=torch.uint8).permute(0, 1, 2, 5, 3, 4)
    speeds = torch.zeros(1, config.speed_history)
    if config.route_as == "image":
        return images, speeds, torch.from_numpy(draw_route(np.zeros((1, 2))))[None]
    return images, speeds, torch.zeros(1, config.route_tokens, 2)
