"""The fixed small set of routes on every official evaluator that is there: `make official`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.official_matrix import AGENTS, HEADINGS, Cell, cells, row, table

CHECKOUTS = os.environ.get("OFFICIAL_CHECKOUTS", "")
MARK = "OFFICIAL_CELL"
NEVER_DROVE = ("couldn't be set up", "sensors were invalid", "crashed")

pytestmark = pytest.mark.slow


def chosen_cells() -> list[Any]:
    """One for each evaluator and agent; where there are no checkouts one that is skipped."""
    if not CHECKOUTS:
        reason = "needs checkouts of the official evaluators: OFFICIAL_CHECKOUTS=DIR make official"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    found = cells(Path(CHECKOUTS), [sys.executable], AGENTS, Path())
    return [pytest.param(cell, id=f"{cell.place.name} {cell.agent}") for cell in found]


@pytest.mark.parametrize("cell", chosen_cells())
def test_every_route_is_driven(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MARK, str(tmp_path))
    cell = replace(cell, out=tmp_path)
    code = cell.run()
    log = cell.checkpoint.with_name("log.txt").read_text(errors="replace")
    assert code == 0, log[-3000:]
    results = cell.results()
    assert results is not None, log[-3000:]
    with capsys.disabled():
        print("", table([row(cell)]).splitlines()[-1], sep="\n")
    assert results.entry_status == "Finished"
    assert [record.index for record in results.records] == list(range(len(HEADINGS)))
    for record in results.records:
        assert not any(words in record.status for words in NEVER_DROVE), log[-3000:]
        assert record.completion_percent > 0.0
    assert list(left_over(f"{MARK}={tmp_path}")) == []


def left_over(variable: str) -> Iterator[str]:
    """Command lines of running processes that have a variable in their environment."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
            if variable.encode() in variables:
                yield (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            # It has ended meanwhile, or is somebody else's.
            continue
