"""`make gpu` rehearsed at tiny sizes on the CPU, so that it works when a GPU is at hand."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import gpu

SMALL = ["--preset", "debug", "--device", "cpu", "--ticks", "3", "--steps", "2"]
SMALL += ["--batches", "1", "2"]


def run(monkeypatch: pytest.MonkeyPatch, out: Path, *more: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["gpu", *SMALL, "--out", str(out), *more])
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    figures: dict[str, Any] = json.loads((out / "gpu.json").read_text())
    assert ended.value.code == (1 if any(isinstance(f, str) for f in figures.values()) else 0)
    return figures


@pytest.mark.slow
def test_every_section_that_needs_no_gpu_gives_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sections = ["machine", "tick", "precision", "training", "batch_sizes"]
    figures = run(monkeypatch, tmp_path, "--sections", *sections)
    assert set(figures) == set(sections)
    assert all(isinstance(rows, list) for rows in figures.values()), figures
    backends = {row["backend"]: row for row in figures["tick"]}
    assert backends["eager"]["p50 ms"] > 0
    assert backends["reference"]["times faster"] == pytest.approx(1.0)
    assert all(row["worst m"] < 1e-3 for row in figures["precision"]), "float32 against itself"
    assert [row["batch"] for row in figures["batch_sizes"]] == [1, 2]
    table = (tmp_path / "gpu.md").read_text()
    assert all(f"### {section} (" in table for section in sections)


def test_a_section_that_fails_leaves_the_others_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    figures = run(monkeypatch, tmp_path, "--device", "cuda:99", "--sections", "machine")
    assert "exit code 1" in str(figures["machine"])
    assert "not measured" in (tmp_path / "gpu.md").read_text()


def test_a_section_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = run(monkeypatch, tmp_path, "--minutes", "0.001", "--sections", "machine")
    assert figures["machine"] == "not done within 1 s"


def test_rows_may_differ_in_their_columns() -> None:
    rows: list[dict[str, Any]] = [{"a": 1.23456, "b": "x"}, {"a": None, "c": 2}]
    text = gpu.as_markdown(gpu.Result("tick", rows, None, 3.0))
    assert text.splitlines()[2:] == [
        "| a | b | c |",
        "|---|---|---|",
        "| 1.23 | x |  |",
        "|  |  | 2 |",
    ]
