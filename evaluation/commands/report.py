"""`python -m evaluation report`: a run, or two side by side, to look at."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.commands.arguments import PROTOCOLS
from evaluation.commands.compare import points, share

if TYPE_CHECKING:
    from evaluation.reports.evaluation_page import Report

HELP = "a page of a run: scores, maps, curves, videos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Writes one HTML page with the scores and their intervals, the map of each route with the "
        "driven path and its infractions, speed, control and latency; beside it a .csv and a .md. "
        "Videos of the run are played from where they lie, or go into the page as clips."
    )
    parser.add_argument(
        "run",
        type=Path,
        metavar="DIR",
        help="a run's folder, a results file, or the folder of a matrix of disturbances",
    )
    parser.add_argument("--against", type=Path, metavar="DIR", help="a run to hold it against")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="default: the one that they tell")
    parser.add_argument("--routes", type=Path, metavar="FILE", help="routes that ought to be there")
    parser.add_argument("--towns", type=Path, metavar="DIR", help="folder of TOWN.xodr: abilities")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: DIR/report.html")
    parser.add_argument("--clips", action="store_true", help="put clips of infractions in the page")
    parser.add_argument("--margin", type=points, default=5.0, metavar="POINTS")
    parser.add_argument("--lost-share", type=share, default=0.0, metavar="SHARE")


def run(parsed: argparse.Namespace) -> int:
    from evaluation.errors import MachineError
    from evaluation.reports.evaluation_page import page
    from evaluation.reports.tables import to_csv, to_markdown
    from evaluation.runs.atomic_file import write_atomically

    folder = parsed.run if parsed.run.is_dir() else parsed.run.parent
    out: Path = parsed.out or folder / "report.html"
    report = _report(parsed)
    texts = {
        out: page(report, out),
        out.with_suffix(".csv"): to_csv(report.run),
        out.with_suffix(".md"): to_markdown(report.run, report.comparison),
    }
    for path, text in texts.items():
        try:
            write_atomically(path, text)
        except OSError as error:
            raise MachineError(
                f"{path} cannot be written ({error.strerror}): name another place with --out FILE"
            ) from error
    if report.comparison is not None:
        print(f"{report.comparison.verdict.name} against {parsed.against}")
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB), {out.stem}.csv, {out.stem}.md")
    return 0


def _report(parsed: argparse.Namespace) -> Report:
    from evaluation.reports.clips import clips_of
    from evaluation.reports.disturbed_runs import disturbed_folders, read_disturbed
    from evaluation.reports.evaluation_page import Report
    from evaluation.reports.run_data import Expected, name_of, read_run_data, told_apart
    from evaluation.routes.route_file import beside_the_part, read_routes
    from evaluation.runs.benchmark import Benchmark
    from evaluation.runs.compare_runs import compare_records
    from evaluation.runs.result_files import planned_of, read_pair

    expected = Expected(
        read_routes(parsed.routes) if parsed.routes else (),
        beside_the_part(parsed.routes) if parsed.routes else (),
        parsed.towns,
        Benchmark(parsed.protocol) if parsed.protocol else None,
    )
    matrix = disturbed_folders(parsed.run)
    path = matrix[0].path if matrix else parsed.run
    shown = read_run_data(path, expected)
    if matrix:
        shown = replace(shown, name=name_of(path, levels=2))
    against, comparison = None, None
    if parsed.against is not None:
        planned = planned_of(expected.routes)
        pair = read_pair(parsed.against, path, expected.beside)
        against = read_run_data(parsed.against, expected)
        shown, against = told_apart(shown, against)
        comparison = compare_records(*pair, planned, parsed.margin, parsed.lost_share)
    clips = (
        {str(one.path): clips_of(one) for one in (shown, against) if one is not None}
        if parsed.clips
        else None
    )
    return Report(shown, against, comparison, clips, read_disturbed(matrix, expected))
