"""How well a checkpoint predicts what the expert did, on recorded frames, without driving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from rich.console import Console
from rich.progress import track
from rich.table import Table

from evaluation.open_loop_report import Curve, write_report
from evaluation.problems import ProblemError
from model.batch import DrivingExample, DrivingOutput
from model.checkpoint import CheckpointError, load_checkpoint
from model.config import ConfigError
from model.driving import DrivingModel
from model.loss import distance_along
from model.training.buckets import Buckets, find_buckets
from model.training.dataset import DrivingDataset, LoadedBatch, Unreadable, collate
from model.training.drawing import draw, sample_of
from model.training.index import DatasetError, DatasetIndex, load_index, read_index
from model.training.metrics import plan_errors
from model.training.rig import with_cameras
from model.training.sampler import Draw

F64 = NDArray[np.float64]

MEASURES = {
    "route_10m": "route 10 m",
    "route_end": "route end",
    "wp_ade": "wp ADE",
    "wp_fde": "wp FDE",
    "speed_mps": "speed m/s",
}
WORST_BY = ("route_end", "wp_fde")
STEP_S = 0.25
MAX_BROKEN_SHARE = 0.05


@dataclass(frozen=True)
class OpenLoopSettings:
    """What is judged on which frames.

    Either ``run``, a training's output: its held-out drives and, unless ``checkpoint`` is given,
    its best weights. Or ``checkpoint`` and ``data``, the root of a dataset: every frame of its
    ``split``. ``limit``: at most so many frames, evenly spread (0: all). ``shifted``: seen from
    the shifted cameras. ``blackout``: black pictures, as a control.
    """

    checkpoint: Path | None
    data: Path | None
    run: Path | None
    split: str
    out: Path
    limit: int
    worst: int
    batch_size: int
    shifted: bool
    blackout: bool
    device: str


@dataclass(frozen=True)
class Judged:
    """Errors by measure (frames,), NaN where a frame has no such label; and errors by look-ahead:
    of each waypoint and route point, (frames, points)."""

    rows: NDArray[np.intp]
    errors: dict[str, F64]
    waypoint_errors_m: F64
    route_errors_m: F64
    problems: list[str]


def open_loop(settings: OpenLoopSettings, console: Console) -> int:
    """Judge, print a table and write ``open_loop.json``, ``report.html`` and ``worst/``.

    Raises:
        ProblemError: a checkpoint or a dataset that cannot be used.
    """
    try:
        model, dataset = _open(settings)
        rows = _chosen(dataset.index, settings)
        judged = judge(model, dataset, rows, settings, console)
        baseline = straight_on(dataset, judged.rows, settings.shifted)
    except (CheckpointError, ConfigError, DatasetError) as error:
        raise ProblemError(str(error)) from error
    buckets = find_buckets(dataset.index.rows(judged.rows))
    summary = summarise(judged, baseline, buckets)
    settings.out.mkdir(parents=True, exist_ok=True)
    content = {"frames": len(judged.rows), "problems": judged.problems, "errors": summary}
    (settings.out / "open_loop.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    pictures = draw_worst(model, dataset, judged, settings)
    write_report(settings.out / "report.html", summary, MEASURES, curves(judged), pictures)
    console.print(table_of(summary))
    if judged.problems:
        console.print(f"{len(judged.problems)} frames could not be read; see open_loop.json")
    console.print(f"Report: {settings.out / 'report.html'}")
    return 0


def _open(settings: OpenLoopSettings) -> tuple[DrivingModel, DrivingDataset]:
    if settings.run is not None:
        checkpoint = settings.checkpoint or settings.run / "best"
        root, index = _held_out(settings.run)
    elif settings.checkpoint is not None and settings.data is not None:
        checkpoint, root = settings.checkpoint, settings.data
        index = load_index(root, settings.split)
    else:
        raise ProblemError("expected --run, or --checkpoint and --data")
    model = load_checkpoint(checkpoint)
    index, _ = with_cameras(index, model.config.cameras, MAX_BROKEN_SHARE)
    index = index.from_frame(model.config.hist_len - 1)
    return model.to(settings.device).eval(), DrivingDataset(root, index, model.config)


def _held_out(run: Path) -> tuple[Path, DatasetIndex]:
    """The root of a training's dataset, and the frames that it was validated with."""
    path = run / "settings.yaml"
    if not path.is_file():
        raise ProblemError(f"{path}: no such file; expected the output folder of a training")
    plain: Any = OmegaConf.to_container(OmegaConf.load(path))
    index = read_index(run / "index.npz")
    _, validation = index.split(float(plain["data"]["validation_share"]), int(plain["seed"]))
    return Path(plain["data"]["root"]), validation.from_frame(int(plain["data"]["first_frame"]))


def _chosen(index: DatasetIndex, settings: OpenLoopSettings) -> NDArray[np.intp]:
    rows = np.flatnonzero(index.has_twins) if settings.shifted else np.arange(len(index))
    if not len(rows):
        raise ProblemError("no frame to judge")
    if settings.limit and settings.limit < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, settings.limit).astype(np.intp)]
    return rows


@torch.inference_mode()
def judge(
    model: DrivingModel,
    dataset: DrivingDataset,
    rows: NDArray[np.intp],
    settings: OpenLoopSettings,
    console: Console,
) -> Judged:
    """Errors of every frame that can be read."""
    parts: list[dict[str, F64]] = []
    kept: list[NDArray[np.intp]] = []
    problems: list[str] = []
    starts = range(0, len(rows), settings.batch_size)
    for start in track(starts, "Judging", console=console):
        chosen = rows[start : start + settings.batch_size]
        loaded = [dataset[Draw(int(row), settings.shifted, None)] for row in chosen]
        kept.append(chosen[[not isinstance(example, Unreadable) for example in loaded]])
        batch = collate(loaded)
        problems += batch.problems
        parts.append(_errors(batch, predict(model, batch, settings)))
    if len(problems) > MAX_BROKEN_SHARE * len(rows):
        raise DatasetError(f"{len(problems)} of {len(rows)} frames are unreadable: {problems[0]}")
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
    wanted = label.speed_wps
    if output.speed_wps.shape[-1] == 1:
        wanted = distance_along(wanted)
    found["waypoints"] = (
        torch.linalg.vector_norm(output.speed_wps - wanted, dim=-1).double().numpy()
    )
    if output.route is None:
        found["route"] = np.full((len(wanted), 0), np.nan)
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
        times_s = STEP_S * torch.arange(1, config.speed_points + 1)
        ahead_m = float(dataset.index.speeds_mps[row, 0]) * times_s
        waypoints = torch.stack([ahead_m, torch.zeros_like(ahead_m)], dim=1)
        route = torch.arange(float(config.route_points))
        plan = DrivingOutput(
            waypoints[None], torch.stack([route, torch.zeros_like(route)], dim=1)[None]
        )
        batched = type(label)(*(value[None] for value in label))
        parts.append(plan_errors(plan, batched))
    return {
        name: np.array([float(p[name].value) if bool(p[name].valid) else np.nan for p in parts])
        for name in parts[0]
    }


def summarise(judged: Judged, baseline: dict[str, F64], buckets: Buckets) -> list[dict[str, Any]]:
    """A record for the baseline, for everything and for each bucket that has frames."""

    def record(name: str, errors: dict[str, F64], chosen: NDArray[np.bool_]) -> dict[str, Any]:
        content: dict[str, Any] = {"name": name, "frames": int(chosen.sum())}
        for measure in MEASURES:
            values = errors.get(measure, np.full(len(chosen), np.nan))[chosen]
            values = values[np.isfinite(values)]
            content[measure] = float(values.mean()) if len(values) else None
            content[f"{measure}_p95"] = float(np.percentile(values, 95)) if len(values) else None
        return content

    everything = np.ones(len(judged.rows), dtype=np.bool_)
    records = [record("straight on, same speed", baseline, everything)]
    for name, chosen in zip(buckets.names, buckets.member.T, strict=True):
        if chosen.any():
            records.append(record(name, judged.errors, chosen))
    return records


def table_of(summary: list[dict[str, Any]]) -> Table:
    """Mean errors, one row per record."""
    table = Table(title="Open loop, mean errors (m)")
    table.add_column("frames of", no_wrap=True)
    for title in ("number", *MEASURES.values()):
        table.add_column(title, justify="right")
    for record in summary:
        values = (record[measure] for measure in MEASURES)
        cells = ("-" if value is None else f"{value:.2f}" for value in values)
        table.add_row(record["name"], str(record["frames"]), *cells)
    return table


def curves(judged: Judged) -> list[Curve]:
    """Errors by look-ahead, and how many frames stay below an error."""
    with np.errstate(invalid="ignore"):
        found = []
        times_s = STEP_S * np.arange(1, judged.waypoint_errors_m.shape[1] + 1)
        found.append(_by_look_ahead("waypoints", "s ahead", times_s, judged.waypoint_errors_m))
        if judged.route_errors_m.shape[1]:
            metres = np.arange(judged.route_errors_m.shape[1], dtype=np.float64)
            found.append(_by_look_ahead("route", "m ahead", metres, judged.route_errors_m))
    lines = {}
    share = np.linspace(0.0, 1.0, 101)
    for measure in ("route_10m", "route_end", "wp_fde"):
        values = judged.errors.get(measure, np.empty(0))
        values = values[np.isfinite(values)]
        if len(values):
            lines[MEASURES[measure]] = np.quantile(values, share)
    found.append(Curve("error that a share of the frames stays below", "share", "m", share, lines))
    return found


def _by_look_ahead(name: str, unit: str, ahead: F64, errors_m: F64) -> Curve:
    whole = errors_m[np.isfinite(errors_m).all(axis=1)]
    if not len(whole):
        whole = np.zeros((1, len(ahead)))
    lines = {
        "mean": whole.mean(axis=0),
        "median": np.median(whole, axis=0),
        "95 %": np.percentile(whole, 95, axis=0),
    }
    return Curve(f"error of the {name}", unit, "m", ahead, lines)


def draw_worst(
    model: DrivingModel, dataset: DrivingDataset, judged: Judged, settings: OpenLoopSettings
) -> list[Path]:
    """The frames with the largest errors as pictures in ``worst/``; at most one per second."""
    folder = settings.out / "worst"
    folder.mkdir(exist_ok=True)
    paths = []
    for place, (measure, number) in enumerate(_worst(dataset.index, judged, settings.worst)):
        row = int(judged.rows[number])
        batch = collate([dataset[Draw(row, settings.shifted, None)]])
        with torch.inference_mode():
            output = predict(model, batch, settings)
        errors = "  ".join(f"{name} {judged.errors[name][number]:.2f}" for name in judged.errors)
        where = f"{dataset.index.drives[dataset.index.drive[row]]}/{dataset.index.frame[row]:04d}"
        picture = draw(sample_of(DrivingExample(*batch.example), output, 0), [where, errors])
        path = folder / f"{place:02d}-{measure}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return paths


def _worst(index: DatasetIndex, judged: Judged, count: int) -> Iterator[tuple[str, int]]:
    seen: set[tuple[int, int]] = set()
    for measure in WORST_BY:
        errors = judged.errors.get(measure)
        if errors is None:
            continue
        drawn = 0
        for number in np.argsort(-np.nan_to_num(errors, nan=-1.0)):
            row = judged.rows[number]
            moment = int(index.drive[row]), int(index.frame[row] * STEP_S)
            if drawn == count or not np.isfinite(errors[number]):
                break
            if moment not in seen:
                seen.add(moment)
                drawn += 1
                yield measure, int(number)
