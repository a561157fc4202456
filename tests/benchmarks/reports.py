"""What reading, scoring and showing runs costs.

    python -m tests.benchmarks.reports [--files 100] [--routes 220]

Scores so many results files of so many routes each, and writes the page of a run of so many routes
with traces of a minute each, without clips. The targets are 10 s and 60 s.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from evaluation.__main__ import main as evaluation
from evaluation.runs.benchmark import Benchmark
from evaluation.runs.result_files import read_run
from evaluation.runs.run_scores import score_run
from evaluation.scoring.tick import Kind
from tests.evaluation.reports.sample_run import sample_run
from tests.evaluation.runs.result_records import leaderboard, record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--routes", type=int, default=220)
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        took_s, busy_s = _scored(Path(folder), parsed.files, parsed.routes)
        print(f"scoring {parsed.files} files of {parsed.routes} routes: {took_s:.1f} s", end="")
        print(f" ({busy_s:.1f} s of processor time)")
        run = sample_run(Path(folder, "run"), parsed.routes)
        started_s, busy_before_s = time.perf_counter(), time.process_time()
        evaluation(["report", str(run)])
        took_s = time.perf_counter() - started_s
        print(f"report of {parsed.routes} routes: {took_s:.1f} s", end="")
        print(f" ({time.process_time() - busy_before_s:.1f} s of processor time)")


def _scored(folder: Path, files: int, routes: int) -> tuple[float, float]:
    """Seconds that it took, and that the processor worked."""
    red = {Kind.RED_LIGHT: ["Agent ran a red light"]}
    records = [record(n, red, 0.7) if n % 4 == 0 else record(n) for n in range(routes)]
    paths = [leaderboard(folder / f"{number}.json", records) for number in range(files)]
    started_s, busy_before_s = time.perf_counter(), time.process_time()
    for path in paths:
        score_run(read_run([path]), Benchmark.LEADERBOARD_2_0, {})
    return time.perf_counter() - started_s, time.process_time() - busy_before_s


if __name__ == "__main__":
    main()
