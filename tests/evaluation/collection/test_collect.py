"""Which drives a collection still has to do, what it tells the expert, and what it reports.

Where a collection runs, a stand-in drives in place of the simulator; a route's id says how.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.expert.recording import write_json_gz
from agent.settings import DEFAULT_CHECKPOINT, ExpertSettings, read_expert_settings
from evaluation.__main__ import build_parser, main
from evaluation.collection.collect import collect, random_light_times, random_weather
from evaluation.collection.settings import CollectError, CollectSettings, number_of
from evaluation.collection.summary import (
    CONDITIONS_FILE,
    CollectionReport,
    completed_set,
    is_finished,
    write_json,
)
from evaluation.routes.route import Route, WeatherPoint
from evaluation.routes.route_file import read_routes, write_routes
from evaluation.runs.job import Job, JobResult
from evaluation.runs.ledger import LEDGER_FILE, LedgerError, open_ledger, read_ledger
from tests.evaluation.runs.stand_in import ROUTE, StandIn, driven

NOT_RUN = "Failed - Simulation crashed"
MACHINE = "Failed - Machine failed"
EVALUATION = "Failed - Evaluation failed"
FRAMES = 10


def _results(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json.gz").write_bytes(content)
    return folder


def _record(settings: CollectSettings, route: Route) -> Path:
    """A finished drive as the collection leaves it."""
    folder = settings.drive_folder(route)
    write_json(folder / CONDITIONS_FILE, settings.conditions(route))
    write_json_gz(folder / "results.json.gz", {"status": "Perfect"})
    return folder


class RecordingStandIn(StandIn):
    """Also leaves frames where the expert would."""

    def drive(self, job: Job) -> JobResult:
        result = super().drive(job)
        settings = read_expert_settings(job.agent_config)
        assert job.until_mishap == bool(settings.driver)
        folder = Path(settings.record) / "data" / "simlingo" / job.name / "measurements"
        folder.mkdir(parents=True)
        for frame in range(FRAMES):
            write_json_gz(folder / f"{frame:04d}.json.gz", {})
        return result


def _settings(folder: Path, *route_ids: str, town: str = "Demo", jobs: int = 1) -> CollectSettings:
    path = folder / "routes.xml"
    write_routes(path, [replace(ROUTE, route_id=route_id, town=town) for route_id in route_ids])
    return CollectSettings(out=folder / "out", routes=path, jobs=jobs)


def _collect(settings: CollectSettings) -> tuple[int, str]:
    shown = io.StringIO()
    code = collect(settings, Console(file=shown, width=200), RecordingStandIn)
    return code, shown.getvalue()


def _report(settings: CollectSettings) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((settings.out / "collect.json").read_text())
    return content


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ("Perfect", True),
        ("Failed - Agent got blocked", True),
        ("Unknown", False),
        ("Failed - Simulation crashed", False),
        ("Failed - Machine failed", False),
    ],
)
def test_only_a_drive_that_was_scored_is_finished(
    tmp_path: Path, status: str, finished: bool
) -> None:
    content = gzip.compress(json.dumps({"status": status}).encode())
    assert is_finished(_results(tmp_path, content)) is finished


def test_a_truncated_results_file_is_driven_again(tmp_path: Path) -> None:
    content = gzip.compress(json.dumps({"status": "Perfect"}).encode())
    assert not is_finished(_results(tmp_path, content[:-6]))
    assert not is_finished(tmp_path / "no such drive")


def test_the_expert_understands_its_settings(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path, seed=5, expert="perturb=2,jpeg_quality=80")
    settings.check()
    expert = read_expert_settings(settings.expert_config(ROUTE))
    assert expert == settings.expert_settings(ROUTE)
    assert expert.record == str(tmp_path)
    assert (expert.town, expert.route) == ("Generated3", "7")
    assert expert.seed == 5 + number_of(ROUTE)
    assert (expert.perturb, expert.jpeg_quality) == (2.0, 80)
    assert settings.drive_folder(ROUTE).name == f"{expert.town}_{expert.route}"


@pytest.mark.parametrize(
    ("expert", "message"),
    [
        ("nonsense=1", "unknown key 'nonsense'; known: .*perturb"),
        ("perturb", "expected key=value, got 'perturb'"),
        ("limit_factor=5", "limit_factor: expected 0.1 to 1"),
        ("rig=bass", r"rig 'bass' is neither a preset \(base, "),
        ("perturb=1,seed=3", "seed=3: collect sets seed itself"),
        ("settings.yaml", "expected key=value, got 'settings.yaml'"),
        ("perturb=4+name", r"a '\+' would end the settings"),
    ],
)
def test_an_expert_that_would_not_understand_is_not_started(
    tmp_path: Path, expert: str, message: str
) -> None:
    with pytest.raises(CollectError, match=f"^--expert .*{message}"):
        _collect(replace(_settings(tmp_path, "ok"), expert=expert))
    assert not (tmp_path / "out").exists()


def _checkpoint(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text((DEFAULT_CHECKPOINT / "config.json").read_text())
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_another_driver_is_told_to_the_expert_and_marks_the_drive(tmp_path: Path) -> None:
    driver = _checkpoint(tmp_path / "first", b"1")
    settings = replace(_settings(tmp_path, "ok-0"), driver=driver)
    (route,) = read_routes(tmp_path / "routes.xml")
    assert settings.expert_settings(route).driver == str(driver)
    assert _collect(settings)[0] == 0
    results = settings.drive_folder(route) / "results.json.gz"
    content = json.loads(gzip.decompress(results.read_bytes()))
    assert (content["labels"], content["infraction_frames"]) == ("expert", [])


def test_drives_of_another_driver_are_not_mixed(tmp_path: Path) -> None:
    settings = replace(CollectSettings(out=tmp_path), driver=_checkpoint(tmp_path / "first", b"1"))
    _record(settings, ROUTE)
    copied = replace(settings, driver=_checkpoint(tmp_path / "copy", b"1"))
    assert completed_set(copied, [ROUTE]).left == ()
    for other in (_checkpoint(tmp_path / "other", b"2"), None):
        with pytest.raises(CollectError, match="--driver was "):
            completed_set(replace(settings, driver=other), [ROUTE])


def test_a_drive_from_before_there_were_drivers_was_the_experts(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    path = _record(settings, ROUTE) / CONDITIONS_FILE
    conditions = json.loads(path.read_text())
    del conditions["options"]["driver"]
    path.write_text(json.dumps(conditions))
    assert completed_set(settings, [ROUTE]).left == ()
    with pytest.raises(CollectError, match="--driver was expert"):
        completed_set(replace(settings, driver=_checkpoint(tmp_path / "a", b"1")), [ROUTE])


def test_a_driver_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    settings = replace(_settings(tmp_path, "ok"), driver=tmp_path / "nothing")
    with pytest.raises(CollectError, match=r"--driver .*nothing"):
        _collect(settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["a,b", "a+b", "b "])
def test_a_path_that_the_expert_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CollectError, match=r"record .* can be passed to the expert"):
        CollectSettings(out=tmp_path / name).expert_settings(ROUTE)


def test_routes_differ_in_number_and_weather() -> None:
    numbers = {number_of(Route(str(i), "Demo", ROUTE.positions_world_m)) for i in range(50)}
    assert len(numbers) > 45
    assert random_weather(1) == random_weather(1) != random_weather(2)
    assert all(dict(random_weather(seed))["sun_altitude_angle"] > 10.0 for seed in range(50))
    assert random_light_times(1) == random_light_times(1) != random_light_times(2)


def test_what_was_recorded_with_the_same_settings_is_finished(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path, expert="rig=nano,perturb=2.0")
    _record(settings, ROUTE)
    other = replace(ROUTE, route_id="8")
    # None of these changes how a drive comes out.
    again = replace(settings, count=99, jobs=7, timeout_s=5.0, expert="perturb=2,rig=NANO")
    completed = completed_set(again, [ROUTE, other])
    assert (completed.left, completed.unlabelled) == ((other,), 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "--seed was 0, is 1"),
        ({"traffic": 9}, "--traffic was 0, is 9"),
        ({"varied_lights": True}, "--varied-lights was False, is True"),
        ({"expert": "rig=base"}, "--expert rig was nano, is base"),
        ({"expert": "hesitate=3,perturb=4"}, "--expert perturb was 0.0, is 4.0; --expert hesitate"),
    ],
)
def test_a_drive_with_other_settings_is_an_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    settings = CollectSettings(out=tmp_path)
    folder = _record(settings, ROUTE)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(CollectError, match=f"Generated3_7: .*{message}.*choose another --out"):
        completed_set(replace(settings, **change), [ROUTE, replace(ROUTE, route_id="8")])
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_another_route_of_the_same_name_is_an_error(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path, towns=("generated:3",))
    _record(settings, ROUTE)
    longer = replace(ROUTE, positions_world_m=(*ROUTE.positions_world_m, (150.0, 0.0, 0.0)))
    with pytest.raises(CollectError, match=r"other waypoints \(--length was 400.0, is 450.0\)"):
        completed_set(replace(settings, length_m=450.0), [longer])
    with pytest.raises(CollectError, match=r"other waypoints \(place in --towns was 1, is 2\)"):
        completed_set(replace(settings, towns=("demo", "generated:3")), [longer])
    wet = replace(ROUTE, weathers=(WeatherPoint(0.0, (("wetness", 90.0),)),))
    with pytest.raises(CollectError, match="another weather"):
        completed_set(settings, [wet])


def test_a_route_is_the_same_after_it_went_through_a_file(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    positions = tuple((x / 7.0, x / 3.0, 0.0) for x in range(5))
    route = replace(ROUTE, positions_world_m=positions)
    _record(settings, route)
    write_routes(tmp_path / "routes.xml", [route])
    read = read_routes(tmp_path / "routes.xml")
    assert completed_set(replace(settings, routes=tmp_path / "routes.xml"), read).left == ()


def test_older_drives_without_conditions_are_finished(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    folder = _record(settings, ROUTE)
    cameras = json.loads((folder / CONDITIONS_FILE).read_text())["cameras"]
    (folder / CONDITIONS_FILE).unlink()
    completed = completed_set(replace(settings, seed=1), [ROUTE])
    assert (completed.left, completed.unlabelled) == ((), 1)
    # The cameras were kept at all times.
    (folder / "rig.json").write_text(json.dumps(cameras))
    assert completed_set(settings, [ROUTE]).left == ()
    with pytest.raises(CollectError, match="--expert rig was another, is base"):
        completed_set(replace(settings, expert="rig=base"), [ROUTE])


def test_settings_that_came_later_do_not_make_a_drive_another(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    path = _record(settings, ROUTE) / CONDITIONS_FILE
    conditions = json.loads(path.read_text())
    del conditions["expert"]["limit_factor"], conditions["cameras"][0]["roll_deg"]
    path.write_text(json.dumps(conditions))
    assert completed_set(replace(settings, expert="limit_factor=0.5"), [ROUTE]).left == ()


def test_a_broken_off_drive_is_driven_with_whatever_settings(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    write_json_gz(_record(settings, ROUTE) / "results.json.gz", {"status": NOT_RUN})
    assert completed_set(replace(settings, seed=1), [ROUTE]).left == (ROUTE,)


def test_conditions_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    settings = CollectSettings(out=tmp_path)
    (_record(settings, ROUTE) / CONDITIONS_FILE).write_text("{")
    with pytest.raises(CollectError, match=rf"Generated3_7/{CONDITIONS_FILE} cannot be read"):
        completed_set(settings, [ROUTE])


def test_two_routes_never_share_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CollectError, match=r"two routes would be recorded as .*Generated3_7"):
        completed_set(CollectSettings(out=tmp_path), [ROUTE, ROUTE])


def test_failures_cost_one_drive_each_and_sessions_add_up(tmp_path: Path) -> None:
    ids = ("ok-0", "killed-1", "ok-2", "crashes-3", "ok-4", "raises-5", "ok-6")
    settings = _settings(tmp_path, *ids)
    code, shown = _collect(settings)
    assert code == 1
    assert "3 drives failed" in shown

    first = _report(settings)
    assert first["statuses"] == {"Perfect": 4, MACHINE: 1, NOT_RUN: 1, EVALUATION: 1}
    assert (first["frames"], first["drives"]) == (5 * FRAMES, 7)
    drives = {drive["name"]: drive for drive in first["sessions"][0]["drives"]}
    assert set(drives) == {f"training/routes/lane_following/Demo_{one}" for one in ids}
    problems = [drive["problem"] for drive in drives.values() if drive["problem"]]
    assert "killed, as happens when memory" in problems[0]
    assert problems[1:] == ["the simulator is gone", "the process ended with exit code 1"]
    assert "ValueError: out of luck" in (settings.out / LEDGER_FILE).read_text()

    (settings.out / "mended").touch()
    code, shown = _collect(settings)
    assert (code, "7 routes, 4 of them finished before" in shown) == (0, True)
    both = _report(settings)
    assert both["statuses"] == {"Perfect": 7}
    assert (both["frames"], both["drives"]) == (7 * FRAMES, 7)
    assert both["sessions"][0]["drives"] == first["sessions"][0]["drives"]
    assert both["sessions"][1]["frames"] == 3 * FRAMES
    assert both["wall_s"] == pytest.approx(sum(one["wall_s"] for one in both["sessions"]), abs=0.2)
    assert len(read_ledger(settings.out / LEDGER_FILE).finished) == 7

    before = (settings.out / "collect.json").read_bytes()
    assert _collect(settings)[0] == 0
    assert (settings.out / "collect.json").read_bytes() == before


def test_a_drive_that_was_taken_away_is_driven_again(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "ok-0", "ok-1")
    assert _collect(settings)[0] == 0
    shutil.rmtree(settings.drive_folder(replace(ROUTE, route_id="ok-1", town="Demo")))
    assert _collect(settings)[0] == 0
    report = _report(settings)
    assert (report["frames"], report["drives"]) == (2 * FRAMES, 2)
    assert [one["frames"] for one in report["sessions"]] == [2 * FRAMES, FRAMES]


def test_two_collections_do_not_share_a_folder(tmp_path: Path) -> None:
    settings = _settings(tmp_path, "ok-0")
    with open_ledger(settings.out), pytest.raises(LedgerError, match="in use by another run"):
        _collect(settings)


def test_a_collection_that_only_fails_is_given_up(tmp_path: Path) -> None:
    settings = _settings(tmp_path, *(f"crashes-{number}" for number in range(5)))
    settings.logs.mkdir(parents=True)
    (settings.logs / "simulator_4.log").touch()
    code, shown = _collect(settings)
    assert (code, "4 routes were left out" in shown) == (1, True)
    report = _report(settings)
    assert report["statuses"] == {NOT_RUN: 1}
    assert report["sessions"][0]["left"] == 4
    # Numbers go on after those of earlier sessions.
    assert (settings.logs / "worker_5.log").is_file()
    assert not (settings.logs / "worker_4.log").exists()


def test_an_older_report_is_kept_as_a_session(tmp_path: Path) -> None:
    drive = {"name": "RouteScenario_0_rep0", "status": "Perfect", "frames": 5, "wall_s": 2.0}
    older = {
        "frames": 10,
        "wall_s": 4.0,
        "frames_per_s": 2.5,
        "statuses": {"Perfect": 2},
        "drives": [drive, drive],
    }
    (tmp_path / "collect.json").write_text(json.dumps(older))
    with open_ledger(tmp_path) as ledger:
        ledger.begin({"started": "now"})
        report = CollectionReport(tmp_path, ledger, 1)
        result = driven(Job("a/b", 0, ROUTE, Path("agent.py"), ""))
        ledger.add(replace(result, extra={"frames": 7, "at_s": 1.0}))
        report.write()
        # Read again, it is no session from before the ledger.
        report = CollectionReport(tmp_path, ledger, 1)
        report.write()
    content = _report(CollectSettings(out=tmp_path.parent / tmp_path.name, towns=()))
    assert content["sessions"][0] == older
    assert content["statuses"] == {"Perfect": 3}
    assert (content["frames"], content["drives"]) == (17, 3)


@pytest.mark.parametrize("text", ["[]", "{", "null", '{"sessions": 3}', "[" * 100_000])
def test_what_is_not_a_report_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "collect.json").write_text(text)
    with (
        open_ledger(tmp_path) as ledger,
        pytest.raises(CollectError, match=r"collect.json is no report of a collection"),
    ):
        CollectionReport(tmp_path, ledger, 1)


def test_the_help_names_settings_that_the_expert_has(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["collect", "--help"])
    words = re.split("further settings of the expert: ", " ".join(capsys.readouterr().out.split()))
    told, source = words[1].split(" see ExpertSettings in ")
    named = set(re.findall(r"(\w+)=", told))
    assert {"rig", "perturb", "hesitate", "limit_factor"} <= named
    assert named <= set(ExpertSettings.__dataclass_fields__)
    assert source.startswith("agent/settings.py")


@pytest.mark.parametrize(
    ("verb", "option", "value"),
    [
        ("routes", "--count", "0"),
        ("routes", "--length", "-5"),
        ("collect", "--count", "0"),
        ("collect", "--jobs", "0"),
        ("collect", "--length", "nan"),
    ],
)
def test_nothing_is_not_an_amount(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, option: str, value: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--out", str(tmp_path / "out"), option, value])
    assert ended.value.code == 2
    assert f"argument {option}: expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
