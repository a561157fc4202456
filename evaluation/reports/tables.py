"""A run's report for programs and for comments: CSV and Markdown."""

from __future__ import annotations

import csv
import io

from evaluation.reports.run_data import RunData, ShownDrive
from evaluation.runs.compare_runs import Comparison
from evaluation.runs.compare_runs import to_markdown as comparison_markdown
from evaluation.runs.scores_text import figures_of, missing_lines
from evaluation.scoring.tick import Kind

COLUMNS = (
    *("route", "repetition", "town", "scenario", "state", "status", "score", "completion_percent"),
    *("penalty", "length_m", "game_s", "infractions"),
)


def to_csv(run: RunData) -> str:
    """A row for each drive; the infractions are counted by kind."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for drive in run.drives:
        record = drive.record
        writer.writerow(
            [
                *(drive.route, drive.repetition, drive.town, drive.scenario, drive.state),
                *(record.status, record.score, record.completion_percent, record.penalty),
                *(record.length_m, record.game_s, infractions_text(drive)),
            ]
        )
    return text.getvalue()


def infractions_text(drive: ShownDrive) -> str:
    """For instance `2 collisions_vehicle, 1 red_light`."""
    slow = Kind.MIN_SPEED.value
    found = sorted(drive.record.infractions.items(), key=lambda one: one[0] == slow)
    return ", ".join(f"{len(sentences)} {kind}" for kind, sentences in found)


def to_markdown(run: RunData, comparison: Comparison | None) -> str:
    """The summary, the verdict and a line for each drive that is no success."""
    scores = run.scores
    lines = [f"# {_cell(run.name)}", "", f"{scores.benchmark}", ""]
    lines += ["| over | driving score | success rate, % |", "|---|---|---|"]
    lines += [
        f"| {name} | {one.driving_score:.2f} | {100 * one.success_rate:.2f} |"
        for name, one in figures_of(scores).items()
    ]
    score, success = scores.driving_score_interval, scores.success_rate_interval
    if score is not None and success is not None:
        lines.append(
            f"| 95 % interval | {score.low:.2f} to {score.high:.2f} "
            f"| {100 * success.low:.2f} to {100 * success.high:.2f} |"
        )
    lines += ["", *missing_lines(scores)]
    if comparison is not None:
        lines += ["", comparison_markdown(comparison)]
    lines += ["", "| drive | town | scenario | score | status | infractions |"]
    lines.append("|---|---|---|---|---|---|")
    lines += [
        f"| {_cell(drive.route)} | {_cell(drive.town)} | {_cell(drive.scenario)} "
        f"| {drive.record.score:.2f} | {_cell(drive.record.status)} "
        f"| {_cell(infractions_text(drive))} |"
        for drive in run.drives
        if drive.state != "success"
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
