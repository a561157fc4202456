"""Everything that only a GPU can tell, in one run: ``python -m tests.benchmarks.gpu``.

Each section is a process of its own with a share of ``--minutes``, so one that fails, hangs or runs
out of memory costs only itself. What is missing for a section (a package, a GPU) is said in its
place. The tables go to ``OUT/gpu.md``, the figures to ``OUT/gpu.json``, after every section.
Needs no network. ``--preset debug --device cpu`` is a rehearsal at tiny sizes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import gpu_sections

REPOSITORY = Path(__file__).resolve().parents[2]
SECTIONS = tuple(gpu_sections.SECTIONS)
MARK = "gpu-figures: "


@dataclass(frozen=True)
class Result:
    """What a section came to: rows of a table, or the reason why there is none."""

    section: str
    rows: Sequence[Mapping[str, Any]]
    problem: str | None
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=("base", "nano", "debug"), default="base")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, default=Path("out/gpu"))
    parser.add_argument("--minutes", type=float, default=8.0, help="for all sections together")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--steps", type=int, default=200, help="training steps")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8, 16, 28, 56, 112])
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.section:
        print(MARK + json.dumps(gpu_sections.measure(arguments.section, arguments)))
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = run_all(arguments)
    sys.exit(1 if any(result.problem for result in results) else 0)


def run_all(arguments: argparse.Namespace) -> list[Result]:
    """The sections one after the other; files and screen are brought up to date after each."""
    ends_s = time.monotonic() + 60.0 * arguments.minutes
    results: list[Result] = []
    for done, section in enumerate(arguments.sections):
        left = len(arguments.sections) - done
        # Two shares, because most sections take less than theirs.
        limit_s = max(1.0, min(ends_s - time.monotonic(), 60.0 * arguments.minutes * 2.0 / left))
        result = run_section(section, limit_s)
        results.append(result)
        text = as_markdown(result)
        print(text, flush=True)
        document = "\n".join(as_markdown(each) for each in results)
        (arguments.out / "gpu.md").write_text(document, encoding="utf-8")
        figures = {each.section: each.problem or list(each.rows) for each in results}
        (arguments.out / "gpu.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return results


def run_section(section: str, limit_s: float) -> Result:
    """One section in a fresh process, with the arguments of this one."""
    command = [sys.executable, "-m", "tests.benchmarks.gpu", *sys.argv[1:], "--section", section]
    begun_s = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, timeout=limit_s, text=True, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(section, (), f"not done within {limit_s:.0f} s", limit_s)
    seconds = time.monotonic() - begun_s
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            return Result(section, json.loads(line.removeprefix(MARK)), None, seconds)
    lines = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
    return Result(section, (), f"exit code {done.returncode}: {lines[-1]}", seconds)


def as_markdown(result: Result) -> str:
    """A heading and a table."""
    text = f"### {result.section} ({result.seconds:.0f} s)\n\n"
    if result.problem:
        return f"{text}not measured: {result.problem}\n"
    columns = list(dict.fromkeys(name for row in result.rows for name in row))
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in result.rows:
        lines.append(f"| {' | '.join(_cell(row.get(name)) for name in columns)} |")
    return text + "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
