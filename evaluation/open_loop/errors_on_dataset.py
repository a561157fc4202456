"""How far a checkpoint's plans are from what the expert did, on recorded frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from evaluation.open_loop.settings import MAX_BROKEN_SHARE, OpenLoopSettings
from model.batch import DrivingExample, DrivingLabel, DrivingOutput
from model.config import FRAME_INTERVAL_S
from model.driving import DrivingModel
from model.training.dataset import DrivingDataset, LoadedBatch, Unreadable, collate
from model.training.index import DatasetError
from model.training.metrics import plan_errors
from model.training.sampler import Draw

F64 = NDArray[np.float64]

# A few bad images among fewer frames do not yet make a share.
FEWEST_FRAMES = 200


@dataclass(frozen=True)
class Judged:
    """Errors by measure (frames,), NaN where a frame has no such label; and errors by look-ahead:
    of each waypoint and route point, (frames, points)."""

    rows: NDArray[np.intp]
    errors: dict[str, F64]
    waypoint_errors_m: F64
    route_errors_m: F64
    problems: list[str]


@torch.inference_mode()
def judge(
    model: DrivingModel,
    dataset: DrivingDataset,
    rows: NDArray[np.intp],
    settings: OpenLoopSettings,
    console: Console,
) -> Judged:
    """Errors of every frame that can be read.

    Raises:
        DatasetError: not one can be, or more than ``MAX_BROKEN_SHARE`` of them cannot.
    """
    parts: list[dict[str, F64]] = []
    kept: list[NDArray[np.intp]] = []
    problems: list[str] = []
    starts = range(0, len(rows), settings.batch_size)
    for start in track(starts, "Judging", console=console):
        chosen = rows[start : start + settings.batch_size]
        loaded = [dataset[Draw(int(row), settings.shifted, None)] for row in chosen]
        readable = np.array([isinstance(example, DrivingExample) for example in loaded])
        problems += [example.problem for example in loaded if isinstance(example, Unreadable)]
        if len(problems) > MAX_BROKEN_SHARE * max(len(rows), FEWEST_FRAMES):
            raise DatasetError(
                f"too many of the {len(rows)} frames cannot be read, {len(problems)} up to here; "
                f"the first: {problems[0]}"
            )
        if readable.any():
            kept.append(chosen[readable])
            batch = collate(loaded)
            parts.append(_errors(batch, predict(model, batch, settings)))
    if not parts:
        raise DatasetError(f"not one of {len(rows)} frames can be read; the first: {problems[0]}")
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    waypoints, route = together.pop("waypoints"), together.pop("route")
    return Judged(np.concatenate(kept), together, waypoints, route, problems)


def predict(model: DrivingModel, batch: LoadedBatch, settings: OpenLoopSettings) -> DrivingOutput:
    """The model's plan for a batch, on the CPU."""
    driving_input = batch.example.driving_input
    if settings.blackout:
        black = torch.zeros_like(driving_input.camera_images)
        driving_input = driving_input._replace(camera_images=black)
    moved = [None if t is None else t.to(settings.device) for t in driving_input]
    output: DrivingOutput = model(type(driving_input)(*moved))  # type: ignore[arg-type]
    route = None if output.route is None else output.route.float().cpu()
    return DrivingOutput(output.speed_wps.float().cpu(), route)


def _errors(batch: LoadedBatch, output: DrivingOutput) -> dict[str, F64]:
    label = batch.example.driving_label
    found = {
        name: np.where(errors.valid, errors.value, np.nan).astype(np.float64)
        for name, errors in plan_errors(output, label).items()
    }
    apart_m = torch.linalg.vector_norm(output.speed_wps - label.speed_wps, dim=-1)
    found["waypoints"] = apart_m.double().numpy()
    if output.route is None:
        found["route"] = np.full((len(apart_m), 0), np.nan)
    else:
        found["route"] = (
            torch.linalg.vector_norm(output.route - label.route, dim=-1).double().numpy()
        )
    return found


def straight_on(dataset: DrivingDataset, rows: NDArray[np.intp], shifted: bool) -> dict[str, F64]:
    """Errors of the plan that goes straight on at the present speed: what is to be beaten."""
    parts = []
    config = dataset.config
    for row in rows:
        label = dataset.label(Draw(int(row), shifted, None))
        times_s = FRAME_INTERVAL_S * torch.arange(1, config.speed_points + 1)
        ahead_m = float(dataset.index.speeds_mps[row, 0]) * times_s
        waypoints = torch.stack([ahead_m, torch.zeros_like(ahead_m)], dim=1)
        if config.speed_wps_mode == "1d":
            waypoints = waypoints[:, :1]
        route = torch.arange(float(config.route_points))
        plan = DrivingOutput(
            waypoints[None], torch.stack([route, torch.zeros_like(route)], dim=1)[None]
        )
        batched = DrivingLabel(
            label.speed_wps[None],
            label.route[None],
            label.speed_wps_valid[None],
            label.route_valid[None],
        )
        parts.append(plan_errors(plan, batched))
    return {
        name: np.array([float(p[name].value) if bool(p[name].valid) else np.nan for p in parts])
        for name in parts[0]
    }
