"""What goes beside the page, and into it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import av
import pytest

from evaluation.__main__ import main
from evaluation.reports.clips import clips_of, cut
from evaluation.reports.run_data import read_run_data
from tests.evaluation.reports.sample_run import sample_run, write_video


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = sample_run(tmp_path_factory.mktemp("runs") / "ours", 4, video=True)
    assert main(["report", str(folder), "--clips"]) == 0
    return folder


def test_csv_has_a_row_for_each_drive(run: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((run / "report.csv").read_text(encoding="utf-8"))))
    assert [row["route"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["infractions"] == "1 collisions_vehicle"
    assert (rows[0]["state"], rows[1]["state"]) == ("with infractions", "success")
    assert float(rows[0]["score"]) == 60.0


def test_markdown_names_what_went_wrong(run: Path) -> None:
    text = (run / "report.md").read_text(encoding="utf-8")
    assert "| all 4 planned drives | 80.00 | 50.00 |" in text
    assert "| 0 | Demo | cut_in | 60.00 | Completed | 1 collisions_vehicle |" in text
    assert "| 1 |" not in text


def test_clips_are_in_the_page(run: Path) -> None:
    """Of the one infraction that a video shows."""
    clips = clips_of(read_run_data(run))
    assert set(clips) == {("RouteScenario_0_rep0", 0)}


def test_a_clip_is_the_piece_around_it(tmp_path: Path) -> None:
    write_video(tmp_path / "drive.mp4", seconds=14)
    with av.open(io.BytesIO(cut(tmp_path / "drive.mp4", 6.0, 12.0)), "r") as clip:
        levels = [int(one.to_ndarray(format="gray").mean()) for one in clip.decode(video=0)]
    assert len(levels) == 61
    assert levels[0] == pytest.approx(16 * 6, abs=4)
    assert levels[-1] == pytest.approx(16 * 12, abs=4)


def test_a_video_that_is_none_gives_no_clip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = sample_run(tmp_path / "run", 1, video=True)
    (run / "drive_0.mp4").write_bytes(b"cut off")
    assert clips_of(read_run_data(run)) == {}
    assert "drive_0.mp4: no clips" in caplog.text
