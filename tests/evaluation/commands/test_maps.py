"""The verb that tells what is understood of maps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluation.__main__ import main
from evaluation.commands import maps
from evaluation.commands.maps import reports_on
from evaluation.routes.map_report import MapReport, report_on
from tests.evaluation.simulator.town.small_maps import guarded_junction, signal, two_way


def written(folder: Path, name: str, text: str) -> str:
    path = folder / f"{name}.xodr"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_report_tells_what_is_ruled_and_what_is_not(tmp_path: Path) -> None:
    light = signal("1000011", more='<validity fromLane="-2" toLane="-1"/>')
    other = signal("294").replace('id="7"', 'id="9"')
    report = report_on(written(tmp_path, "guarded", guarded_junction(signals=light + other)))
    assert report.refusal is None
    assert report.lines[0] == "3 roads of 0.22 km, 1 junctions; traffic keeps right"
    assert report.lines[1] == "lanes by section: 12 driving; 8 links between driving lanes"
    assert "  light 7: road 1, lanes -2, -1, into junction 100, phase 0" in report.lines
    assert report.lines[-1].startswith("a route of ")
    assert report.notices == ("1 signals of type '294' (first: 9): of no meaning here",)
    assert report.text().splitlines()[-1] == f"  note: {report.notices[0]}"


@pytest.mark.parametrize("missing", [True, False])
def test_a_map_that_cannot_be_used_is_refused(tmp_path: Path, missing: bool) -> None:
    spec = "none.xodr" if missing else written(tmp_path, "words", two_way(road_id="word"))
    report = report_on(spec)
    assert report.refusal is not None
    assert ("none.xodr" if missing else "road word") in report.refusal


def fatal(spec: str) -> MapReport:
    """Stands for a map that ends the process."""
    if spec == "fatal":
        os._exit(11)
    return MapReport(spec, None)


def test_a_map_that_ends_the_process_is_told_and_the_others_follow() -> None:
    found = list(reports_on(["one", "fatal", "two"], fatal))
    assert [report.source for report in found] == ["one", "fatal", "two"]
    assert [report.refusal is None for report in found] == [True, False, True]


def test_the_exit_code_tells_whether_all_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "reports_on", lambda specs, report: map(report, specs))
    good = written(tmp_path, "good", two_way())
    bad = written(tmp_path, "bad", "<OpenDRIVE/>")
    assert main(["maps", good]) == 0
    assert main(["maps", good, bad]) == 1
    assert "bad.xodr: has no <road>" in capsys.readouterr().out
