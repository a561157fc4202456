"""The page of a run: what it holds, and that a browser draws it."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.__main__ import main
from evaluation.closed_loop.observers.trace import read_trace, trace_path
from tests.evaluation.reports.sample_run import sample_run
from tests.evaluation.runs.result_records import bench2drive, leaderboard, record

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_run(tmp_path_factory.mktemp("runs") / "ours", 7, video=True)


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    assert main(["report", str(run)]) == 0
    return (run / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'id="data">([^<]*)<', page)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def unpacked(packed: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    steps = np.frombuffer(base64.b64decode(packed["steps"]), dtype="<u2").astype(np.float64)
    steps[steps == 65535] = np.nan
    return float(packed["low"]) + float(packed["step"]) * steps


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    assert not re.search(r'(?:src|href)="', page)
    assert page.count("<tr tabindex") == 7


def test_scores_and_conditions_are_on_the_page(page: str) -> None:
    assert "<td>82.86</td>" in page
    assert "agent: expert_agent.py" in page
    assert "versions: carla 0.9.16" in page


def test_infractions_have_their_time_and_place(page: str) -> None:
    drive = data_of(page)["runs"][0]["drives"]["RouteScenario_0_rep0"]
    (hit,) = drive["infractions"]
    assert hit["time"] == pytest.approx(10.0)
    assert hit["place"] != [1.0, 2.0]
    assert (drive["video"], hit["clip"]) == ("drive_0.mp4", None)


def test_what_is_drawn_is_what_was_driven(run: Path, page: str) -> None:
    trace = read_trace(trace_path(run, "RouteScenario_1_rep0"))
    assert trace is not None
    shown = data_of(page)["runs"][0]["drives"]["RouteScenario_1_rep0"]["trace"]
    driven = trace.column("x_world_m")[::3]
    np.testing.assert_allclose(unpacked(shown["x"]), driven, atol=0.01)
    # The slowest ticks are not lost between the samples.
    assert unpacked(shown["tick_ms"]).max() == pytest.approx(trace.column("tick_ms").max(), 1e-3)
    assert np.isnan(unpacked(shown["lanes_x"])).sum() == 1


def test_two_runs_have_a_verdict(run: Path, tmp_path: Path) -> None:
    other = sample_run(tmp_path / "ours", 6, seed=50)
    out = tmp_path / "both.html"
    assert main(["report", str(run), "--against", str(other), "--out", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert "<h2>INVALID</h2>" in page
    assert [one["name"] for one in data_of(page)["runs"]] == [
        f"{path.parent.name}/ours" for path in (run, other)
    ]


def test_a_matrix_of_disturbances_is_one_page(tmp_path: Path) -> None:
    for name, routes in (("clean", 3), ("delay=4", 2), ("delay=2", 1), ("gnss=5.0", 3)):
        sample_run(tmp_path / name, routes, disturbances=name)
    (tmp_path / "disturbances.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    # 86.7 of the clean run; one route, which hits a vehicle, of delay=2.
    assert "<td>delay=2</td><td>60.00</td>" in page
    assert "<td>30.8</td>" in page
    assert f"<h1>{tmp_path.name}/clean" in page
    (curve,) = data_of(page)["delays"].values()
    assert [(one["delay"], one["score"]) for one in curve] == [
        (0.0, pytest.approx(86.667, abs=1e-3)),
        (100.0, 60.0),
        (200.0, 80.0),
    ]
    assert page.count("<tr tabindex") == 3


def test_a_delay_that_the_agent_knows_has_a_curve_of_its_own(tmp_path: Path) -> None:
    sample_run(tmp_path / "clean", 3)
    for ticks, routes in ((2, 2), (4, 1)):
        late = f"delay={ticks}"
        sample_run(tmp_path / late, 1, disturbances=late)
        known = f"by_plan=true,delay_ticks={ticks}"
        sample_run(tmp_path / f"known_{ticks}", routes, disturbances=late, agent_config=known)
    assert main(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>delay=2, known</td><td>80.00</td>" in page
    curves = data_of(page)["delays"]
    assert {name: [one["score"] for one in curve] for name, curve in curves.items()} == {
        "delay alone": [pytest.approx(86.667, abs=1e-3), 60.0, 60.0],
        "known to the agent": [80.0, 60.0],
    }


def test_two_runs_under_the_same_disturbances_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "other"):
        sample_run(tmp_path / name, 1, disturbances="gnss=5.0")
    assert main(["report", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "one and" in said
    assert "(gnss=5.0)" in said


def test_others_results_have_a_page_too(tmp_path: Path) -> None:
    """Without traces and videos; what is written in them is text and nothing else."""
    hostile = "<script>alert(1)</script>_1"
    folder = bench2drive(tmp_path / "theirs", [record(n, scenario=hostile) for n in range(2)])
    assert main(["report", str(folder), "--out", str(tmp_path / "r.html")]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "taken for bench2drive-0.0.4" in page


def test_a_damaged_trace_is_told_and_no_stop(tmp_path: Path) -> None:
    run = sample_run(tmp_path / "run", 2)
    trace_path(run, "RouteScenario_1_rep0").write_bytes(b"PK not a trace")
    assert main(["report", str(run)]) == 0
    assert "is no trace of a drive" in (run / "report.html").read_text(encoding="utf-8")


def test_without_its_packages_it_says_what_to_install(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    assert main(["report", str(run)]) == 2
    assert "pip install -e '.[report]'" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = leaderboard(tmp_path / "a.json", [record(0)])
    (tmp_path / "taken").write_text("")
    assert main(["report", str(path), "--out", str(tmp_path / "taken" / "r.html")]) == 2
    assert "--out FILE" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="a browser draws the page: apt-get install chromium")
def test_a_browser_draws_it(run: Path, page: str) -> None:
    assert CHROMIUM is not None
    words = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    address = f"file://{run}/report.html#RouteScenario_0_rep0"
    done = subprocess.run(
        [*words, "--virtual-time-budget=20000", address],
        capture_output=True,
        check=True,
        timeout=240,
    )
    drawn = done.stdout.decode()
    assert 'data-shown="RouteScenario_0_rep0"' in drawn
    assert '<output id="count">7 of 7</output>' in drawn
    # A map and three curves.
    assert drawn.count('class="main-svg"') >= 4
    assert 'src="drive_0.mp4"' in drawn
    assert "▶ 10.0 s</button>" in drawn
