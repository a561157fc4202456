"""A run, or two side by side, as one HTML page that needs nothing else but its videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.errors import UserError
from evaluation.reports.disturbed_runs import DisturbedRun, delay_curves, relative_drop
from evaluation.reports.page_data import Json, compressed, compressed_json, drives_json
from evaluation.reports.run_data import RunData
from evaluation.reports.tables import infractions_text
from evaluation.runs.compare_runs import Comparison
from evaluation.runs.scores_text import figures_of, missing_lines, own_figures, twins_line

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_CONDITIONS = (
    *("agent", "agent config", "disturbances", "rules", "seed", "traffic", "simulator", "versions"),
)


class ReportError(UserError, RuntimeError):
    """A page that cannot be made; the message says what to do."""


@dataclass(frozen=True)
class Report:
    """What a page is made of. clips: MP4 files by run, record and infraction; disturbed: the run's
    whole matrix of disturbances, itself among them."""

    run: RunData
    against: RunData | None = None
    comparison: Comparison | None = None
    clips: Mapping[str, Mapping[tuple[str, int], bytes]] | None = None
    disturbed: Sequence[DisturbedRun] = ()

    @property
    def runs(self) -> Sequence[RunData]:
        return [self.run] if self.against is None else [self.run, self.against]


def page(report: Report, path: Path) -> str:
    """The page that is to lie at `path`. Raises ReportError without the packages for it."""
    try:
        import jinja2
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ReportError(
            f"the package {error.name} draws the page: pip install -e '.[report]'"
        ) from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("evaluation.html").render(
        report=report,
        rows=_rows(report),
        style=(TEMPLATES / "evaluation.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "evaluation.js").read_text(encoding="utf-8"),
        plotly=compressed(get_plotlyjs()),
        data=compressed_json(_data(report, path)),
        figures_of=figures_of,
        missing_lines=missing_lines,
        conditions=_conditions,
        own_figures=own_figures,
        twins_line=twins_line,
        relative_drop=relative_drop,
    )


def _data(report: Report, path: Path) -> Json:
    clips = report.clips or {}
    return {
        "delays": delay_curves(report.disturbed),
        "runs": [
            {"name": run.name, "drives": drives_json(run, path, clips.get(str(run.path), {}))}
            for run in report.runs
        ],
    }


def _rows(report: Report) -> Sequence[Mapping[str, Any]]:
    """One for each drive of the run, and for those that only the other one has."""
    sides = [{one.record.route_id: one for one in run.drives} for run in report.runs]
    names = list(dict.fromkeys(name for side in sides for name in side))
    rows = []
    for name in names:
        found = [side.get(name) for side in sides]
        known = next(one for one in found if one is not None)
        first = found[0]
        rows.append(
            {
                "id": name,
                "route": known.route,
                "repetition": known.repetition,
                "town": known.town,
                "scenario": known.scenario,
                "state": "missing" if first is None else first.state,
                "status": "missing" if first is None else first.record.status,
                "scores": [None if one is None else one.record.score for one in found],
                "infractions": "" if first is None else infractions_text(first),
                "has_map": any(one is not None and one.trace is not None for one in found),
                "has_video": any(one is not None and one.video is not None for one in found),
            }
        )
    return rows


def _conditions(run: RunData) -> Mapping[str, str]:
    """Those that a reader asks for, as text."""
    shown: dict[str, str] = {}
    for name in SHOWN_CONDITIONS:
        value = run.conditions.get(name)
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {one}" for key, one in value.items() if one)
        if value not in (None, ""):
            shown[name] = str(value)
    return shown
