"""The open-loop figures as one HTML page with drawn curves."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 460, 260, 44
COLOURS = ("#2f6fdf", "#d9822b", "#3a9d5d", "#b04ac4")
TICKS = 5
STYLE = (
    "body{font:15px system-ui,sans-serif;margin:2em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;"
    "text-align:right}td:first-child,th:first-child{text-align:left}"
    "img{max-width:100%;display:block;margin:.5em 0}figure{display:inline-block;margin:1em}"
)


@dataclass(frozen=True)
class Curve:
    """Lines over one axis; ``lines`` by name, each as long as ``x``."""

    title: str
    x_unit: str
    y_unit: str
    x: F64
    lines: Mapping[str, F64]


def write_report(
    path: Path,
    summary: Sequence[Mapping[str, Any]],
    measures: Mapping[str, str],
    curves: Sequence[Curve],
    images: Sequence[Path],
) -> None:
    """Write the page; images are referred to relative to it."""
    drawn = "".join(f"<figure>{chart(curve)}</figure>" for curve in curves)
    figures = "".join(
        f'<img src="{html.escape(str(image.relative_to(path.parent)))}" alt="">' for image in images
    )
    path.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Open loop</title>'
        f"<style>{STYLE}</style><h1>Open loop</h1><p>Mean error, and what 95 % of the frames stay "
        f"below.</p>{_table(summary, measures)}{drawn}"
        "<h2>Worst frames</h2><p>Green: what the expert did. Red: predicted. Blue: targets.</p>"
        f"{figures}</html>\n",
        encoding="utf-8",
    )


def chart(curve: Curve) -> str:
    """A line chart as SVG."""
    x_high = float(curve.x.max()) or 1.0
    y_high = max((float(line.max()) for line in curve.lines.values()), default=0.0) or 1.0
    inner_width, inner_height = WIDTH_PX - 2 * MARGIN_PX, HEIGHT_PX - 2 * MARGIN_PX
    parts = [
        f'<text x="{WIDTH_PX / 2}" y="18" text-anchor="middle">{html.escape(curve.title)}</text>'
    ]
    for tick in np.linspace(0.0, 1.0, TICKS):
        x, y = MARGIN_PX + tick * inner_width, HEIGHT_PX - MARGIN_PX - tick * inner_height
        parts.append(
            f'<path d="M{MARGIN_PX} {y:.1f}h{inner_width}" stroke="#e3e3e3"/>'
            f'<text x="{MARGIN_PX - 4}" y="{y + 4:.1f}" text-anchor="end">'
            f"{tick * y_high:.2g}</text>"
            f'<text x="{x:.1f}" y="{HEIGHT_PX - MARGIN_PX + 16}" text-anchor="middle">'
            f"{tick * x_high:.2g}</text>"
        )
    for number, (name, line) in enumerate(curve.lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        xs = MARGIN_PX + curve.x / x_high * inner_width
        ys = HEIGHT_PX - MARGIN_PX - line / y_high * inner_height
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{MARGIN_PX + 8}" y="{MARGIN_PX + 14 * number}" fill="{colour}">'
            f"{html.escape(name)}</text>"
        )
    parts.append(
        f'<text x="{WIDTH_PX / 2}" y="{HEIGHT_PX - 8}" text-anchor="middle">'
        f"{html.escape(curve.x_unit)}</text>"
        f'<text x="8" y="{HEIGHT_PX / 2}">{html.escape(curve.y_unit)}</text>'
    )
    return (
        f'<svg width="{WIDTH_PX}" height="{HEIGHT_PX}" font-size="12" '
        f'font-family="sans-serif" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def _table(summary: Sequence[Mapping[str, Any]], measures: Mapping[str, str]) -> str:
    titles = "".join(f"<th>{html.escape(title)}</th>" for title in measures.values())
    rows = ""
    for record in summary:
        cells = "".join(f"<td>{_cell(record, measure)}</td>" for measure in measures)
        name = html.escape(str(record["name"]))
        rows += f"<tr><td>{name}</td><td>{record['frames']}</td>{cells}</tr>"
    return f"<table><tr><th>frames of</th><th>number</th>{titles}</tr>{rows}</table>"


def _cell(record: Mapping[str, Any], measure: str) -> str:
    mean, most = record[measure], record[f"{measure}_p95"]
    return "-" if mean is None else f"{mean:.2f} / {most:.2f}"
