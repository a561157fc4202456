"""The table of a run's routes, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from evaluation.runs.job import Json
from evaluation.runs.leaderboard_file import Results, RouteRecord, mean_of


def print_table(console: Console, results: Results) -> None:
    """The routes' scores, and their means over all routes of the run. Lateral is the 95th
    percentile of the distance from the lane's centre."""
    table = Table(title=f"Driving score by rules {results.run['rules']}")
    table.add_column("Route")
    for heading in ("Score", "Done", "Penalty", "Lateral", "Ticks/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Status")
    for row in _rows(results):
        table.add_row(*row)
    if len(results.records) > 1:
        table.add_section()
        table.add_row(
            f"{len(results.records)} of {results.total}",
            f"{mean_of(results.records, 'score_composed'):.2f}",
            f"{mean_of(results.records, 'score_route'):.1f} %",
            f"{mean_of(results.records, 'score_penalty'):.3f}",
            "",
            "",
            results.entry_status,
        )
    console.print(table)
    console.print(f"Results: {results.path}", highlight=False, soft_wrap=True)


def _rows(results: Results) -> Iterator[Sequence[str]]:
    for record in results.records:
        extra = results.extras.get(record.route_id, {})
        lateral_m, ticks_per_s = extra.get("lateral_p95_m"), extra.get("ticks_per_s")
        yield (
            record.route_id.removeprefix("RouteScenario_").removesuffix("_rep0"),
            f"{record.scores['score_composed']:.2f}",
            f"{record.scores['score_route']:.1f} %",
            f"{record.scores['score_penalty']:.3f}",
            "-" if lateral_m is None else f"{lateral_m:.2f} m",
            "-" if ticks_per_s is None else f"{ticks_per_s:.0f}",
            _status_text(record, extra),
        )


def _status_text(record: RouteRecord, extra: Json) -> str:
    found = [
        f"{len(one)} {kind.replace('_', ' ')}" for kind, one in record.infractions.items() if one
    ]
    invalid = extra.get("invalid_controls", 0)
    if extra.get("person_ticks"):
        found.append(f"a person drove {extra['person_ticks']} of {extra['ticks']} ticks")
    braked = [f"{invalid} ticks with a control that is not finite"] if invalid else []
    return ", ".join([record.status, *found, *braked])
