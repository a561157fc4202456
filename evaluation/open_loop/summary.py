"""What the errors of all frames come to: records by bucket, a table, curves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from evaluation.open_loop.errors_on_dataset import F64, Judged
from evaluation.reports.open_loop_page import Curve
from model.config import FRAME_INTERVAL_S
from model.training.buckets import Buckets

MEASURES = {
    "route_10m": "route 10 m",
    "route_end": "route end",
    "wp_ade": "wp ADE",
    "wp_fde": "wp FDE",
    "speed_mps": "speed m/s",
}
EVERY_FRAME = "every frame"


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
