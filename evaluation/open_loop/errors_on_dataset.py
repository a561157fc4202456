"""How well a checkpoint predicts what the expert did, on recorded frames, without driving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
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

from evaluation.errors import UserError
from evaluation.open_loop.left_out import (
    OTHER_CAMERAS,
    UNREADABLE_FRAMES,
    by_kind,
    summary_of,
    to_plain,
    without_drives,
)
from evaluation.reports.open_loop_page import Curve, write_report
from model.batch import DrivingExample, DrivingLabel, DrivingOutput
from model.checkpoint import CONFIG_FILE, CheckpointError, load_checkpoint
from model.config import FRAME_INTERVAL_S, ConfigError
from model.driving import DrivingModel
from model.runtime import DeviceError, find_device
from model.training.buckets import Buckets, find_buckets
from model.training.dataset import DrivingDataset, LoadedBatch, Unreadable, collate
from model.training.drawing import draw, sample_of
from model.training.index import DatasetError, DatasetIndex, load_index, read_index
from model.training.layout import BEST, EXPORTED, INDEX_FILE, MADE_UP_DATA, SETTINGS_FILE
from model.training.metrics import plan_errors
from model.training.rig_check import with_cameras
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
MAX_BROKEN_SHARE = 0.05
# A few bad images among fewer frames do not yet make a share.
FEWEST_FRAMES = 200
# The first of them that there is gets judged: a training without validation knows no best weights.
RUN_CHECKPOINTS = (BEST, EXPORTED)
EXPECTED = "expected --run, or --checkpoint and --data"
EVERY_FRAME = "every frame"


@dataclass(frozen=True)
class OpenLoopSettings:
    """What is judged on which frames.

    ``run`` is a training's output. Unless ``checkpoint`` is given, its best weights are judged, or
    its last ones where it had no validation; unless ``data`` is given, on the drives that it held
    out. ``data`` is the root of a dataset: every frame of its ``split`` is judged. Without ``run``,
    both must be given. ``limit``: at most so many frames, evenly spread (0: all). ``shifted``: seen
    from the shifted cameras. ``blackout``: black images, as a control. ``device``: ``cpu``,
    ``cuda``, ``cuda:N`` or ``auto``.
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

    def __post_init__(self) -> None:
        for name, fewest in (("batch_size", 1), ("limit", 0), ("worst", 0)):
            if getattr(self, name) < fewest:
                option, got = name.replace("_", "-"), getattr(self, name)
                raise UserError(f"--{option}: expected at least {fewest}, got {got}")


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
        UserError: a device, a checkpoint or a dataset that cannot be used.
    """
    try:
        settings = replace(settings, device=str(find_device(settings.device)))
        model, dataset, left_out = _open(settings)
        rows = _chosen(dataset.index, settings)
        judged = judge(model, dataset, rows, settings, console)
        baseline = straight_on(dataset, judged.rows, settings.shifted)
    except (DeviceError, CheckpointError, ConfigError, DatasetError) as error:
        raise UserError(str(error)) from error
    buckets = find_buckets(dataset.index.rows(judged.rows))
    summary = summarise(judged, baseline, buckets)
    settings.out.mkdir(parents=True, exist_ok=True)
    left_out[UNREADABLE_FRAMES] = judged.problems
    content = {
        "frames": len(judged.rows),
        "left_out": to_plain(left_out),
        "errors": summary,
    }
    (settings.out / "open_loop.json").write_text(json.dumps(content, indent=2), encoding="utf-8")
    images = draw_worst(model, dataset, judged, settings)
    write_report(settings.out / "report.html", summary, MEASURES, curves(judged), images)
    console.print(table_of(summary))
    console.print(summary_of(left_out), soft_wrap=True)
    console.print(f"Report: {settings.out / 'report.html'}")
    return 0


def _open(settings: OpenLoopSettings) -> tuple[DrivingModel, DrivingDataset, dict[str, list[str]]]:
    """Model, frames to be judged, and by kind a line for each thing that is left out of them."""
    if settings.run is not None and not (settings.run / SETTINGS_FILE).is_file():
        raise UserError(
            f"{settings.run / SETTINGS_FILE}: no such file; expected the output folder of a "
            "training"
        )
    model = load_checkpoint(_weights(settings))
    root, index = _frames(settings)
    elsewhere = np.setdiff1d(np.arange(len(index.drives)), index.drive)
    not_asked_for = tuple(str(drive) for drive in index.drives[elsewhere])
    problems = without_drives(not_asked_for, index.problems.tolist())
    index, other_cameras = with_cameras(index, model.config.cameras, MAX_BROKEN_SHARE)
    index = index.from_frame(model.config.hist_len - 1)
    dataset = DrivingDataset(root, index, model.config)
    left_out = {**by_kind(problems), OTHER_CAMERAS: without_drives(not_asked_for, other_cameras)}
    return model.to(settings.device).eval(), dataset, left_out


def _weights(settings: OpenLoopSettings) -> Path:
    """The folder of the checkpoint to be judged."""
    if settings.checkpoint is not None:
        return settings.checkpoint
    if settings.run is None:
        raise UserError(EXPECTED)
    for name in RUN_CHECKPOINTS:
        if (settings.run / name / CONFIG_FILE).is_file():
            return settings.run / name
    raise UserError(
        f"{settings.run}: the training has written no checkpoint yet (none of "
        f"{', '.join(RUN_CHECKPOINTS)}); wait for its end, or give --checkpoint"
    )


def _frames(settings: OpenLoopSettings) -> tuple[Path, DatasetIndex]:
    """The root of a dataset, and those of its frames that are asked for."""
    if settings.data is not None:
        return settings.data, load_index(settings.data, settings.split)
    if settings.run is None:
        raise UserError(EXPECTED)
    return _held_out(settings.run)


def _held_out(run: Path) -> tuple[Path, DatasetIndex]:
    """The root of a training's dataset, and the frames that it was validated with."""
    path = run / SETTINGS_FILE
    plain: Any = OmegaConf.to_container(OmegaConf.load(path))
    index = read_index(run / INDEX_FILE)
    _, validation = index.split(float(plain["data"]["validation_share"]), int(plain["seed"]))
    if not len(validation):
        raise UserError(f"{path}: the training held out no drive; choose frames with --data")
    root = Path(plain["data"]["root"] or run / MADE_UP_DATA)
    return root, validation.from_frame(int(plain["data"]["first_frame"]))


def _chosen(index: DatasetIndex, settings: OpenLoopSettings) -> NDArray[np.intp]:
    rows = np.flatnonzero(index.has_augmented) if settings.shifted else np.arange(len(index))
    if not len(rows):
        raise UserError("no frame to judge")
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


def summarise(judged: Judged, baseline: dict[str, F64], buckets: Buckets) -> list[dict[str, Any]]:
    """A record for every frame, for the baseline and for each bucket that has frames.

    The bucket ``all`` is that of the training's draws, which leaves standing out.
    """

    def record(name: str, errors: dict[str, F64], chosen: NDArray[np.bool_]) -> dict[str, Any]:
        content: dict[str, Any] = {"name": name, "frames": int(chosen.sum())}
        for measure in MEASURES:
            values = errors.get(measure, np.full(len(chosen), np.nan))[chosen]
            values = values[np.isfinite(values)]
            content[measure] = float(values.mean()) if len(values) else None
            content[f"{measure}_p95"] = float(np.percentile(values, 95)) if len(values) else None
        return content

    everything = np.ones(len(judged.rows), dtype=np.bool_)
    records = [
        record(EVERY_FRAME, judged.errors, everything),
        record("straight on, same speed", baseline, everything),
    ]
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
    """Errors of every frame by look-ahead, and how many frames stay below an error."""
    with np.errstate(invalid="ignore"):
        found = []
        times_s = FRAME_INTERVAL_S * np.arange(1, judged.waypoint_errors_m.shape[1] + 1)
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
    title = f"error that a share stays below, {EVERY_FRAME}"
    found.append(Curve(title, "share", "m", share, lines))
    return found


def _by_look_ahead(name: str, unit: str, ahead: F64, errors_m: F64) -> Curve:
    """Without a frame whose label holds there is no line, rather than one at 0 m."""
    whole = errors_m[np.isfinite(errors_m).all(axis=1)]
    lines = {}
    if len(whole):
        lines = {
            "mean": whole.mean(axis=0),
            "median": np.median(whole, axis=0),
            "95 %": np.percentile(whole, 95, axis=0),
        }
    return Curve(f"error of the {name}, {EVERY_FRAME}", unit, "m", ahead, lines)


def draw_worst(
    model: DrivingModel, dataset: DrivingDataset, judged: Judged, settings: OpenLoopSettings
) -> list[Path]:
    """The frames with the largest errors as images in ``worst/``; at most one per second."""
    folder = settings.out / "worst"
    folder.mkdir(exist_ok=True)
    paths = []
    for place, (measure, number) in enumerate(_worst(dataset.index, judged, settings.worst)):
        row = int(judged.rows[number])
        example = dataset[Draw(row, settings.shifted, None)]
        if isinstance(example, Unreadable):
            continue
        batch = collate([example])
        with torch.inference_mode():
            output = predict(model, batch, settings)
        errors = "  ".join(f"{name} {judged.errors[name][number]:.2f}" for name in judged.errors)
        where = f"{dataset.index.drives[dataset.index.drive[row]]}/{dataset.index.frame[row]:04d}"
        image = draw(sample_of(DrivingExample(*batch.example), output, 0), [where, errors])
        path = folder / f"{place:02d}-{measure}.jpg"
        cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
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
            moment = int(index.drive[row]), int(index.frame[row] * FRAME_INTERVAL_S)
            if drawn == count or not np.isfinite(errors[number]):
                break
            if moment not in seen:
                seen.add(moment)
                drawn += 1
                yield measure, int(number)
