"""Many routes by many workers: what is driven, tried again, kept, refused and said beforehand."""

from __future__ import annotations

import io
import json
import re
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.__main__ import main
from evaluation.closed_loop.failure import AGENT_CRASHED, Blame, Failure
from evaluation.official.leaderboard import LeaderboardSettings
from evaluation.runs.benchmark import Benchmark
from evaluation.runs.conditions import run_conditions
from evaluation.runs.drive import drive, show_plan
from evaluation.runs.job import Job, JobResult
from evaluation.runs.ledger import LEDGER_FILE, Ledger, LedgerError, open_ledger, read_ledger
from evaluation.runs.plan import make_plan
from evaluation.runs.run_progress import RunProgress
from evaluation.runs.settings import DriveSettings
from evaluation.runs.tries import Tries
from evaluation.runs.worker import unscored
from evaluation.runs.worker_process import WorkerSettings, placed
from evaluation.runs.workers import Supervisor
from evaluation.servers.session import SessionSettings
from tests.evaluation.official.fake_checkouts import write_agents, write_bench2drive
from tests.evaluation.runs.stand_in import FAILURES, StandIn, driven, jobs_of
from tests.integration.probe_agents import write_agent

ROUTE = """<route id="{id}" town="{town}"><waypoints><position x="0" y="0" z="0"/>
<position x="50" y="0" z="0"/></waypoints>
<scenarios><scenario type="Accident" name="A"/></scenarios>
<weathers><weather route_percentage="0" cloudiness="1"/></weathers></route>"""


def write_routes(path: Path, *ids: str, town: str = "Demo") -> Path:
    routes = "".join(ROUTE.format(id=route_id, town=town) for route_id in ids)
    path.write_text(f"<routes>{routes}</routes>")
    return path


def settings_in(folder: Path, *ids: str) -> DriveSettings:
    return DriveSettings(
        agent=write_agent(folder, "probe_agent"),
        routes=write_routes(folder / "routes.xml", *ids),
        out=folder / "out",
        video=False,
        resume=True,
        retry_agent=True,
    )


def told(settings: DriveSettings, run: bool = True) -> tuple[int, str]:
    """Exit code and output of a run whose routes meet the fates that their ids name."""
    console = Console(file=io.StringIO(), width=200)
    code = drive(settings, console, StandIn) if run else show_plan(settings, console)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def ledger_of(settings: DriveSettings) -> Ledger:
    return read_ledger(settings.out / LEDGER_FILE)


def test_every_repetition_has_its_seed_and_its_place_in_the_ledger(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path, "ok-0", "ok-1"), seed=5)
    assert told(settings)[0] == 0
    more = replace(settings, repetitions=3, workers=2)
    assert "2 of 6 routes are finished already" in told(more)[1]
    ledger = ledger_of(settings)
    names = [f"RouteScenario_ok-{route}_rep{number}" for number in range(3) for route in range(2)]
    assert sorted(ledger.finished) == sorted(names)
    assert len(ledger.entries) == 6
    seeds = {name: (one.conditions or {}).get("seed") for name, one in ledger.finished.items()}
    assert [seeds[name] for name in names] == [None, None, 6, 6, 7, 7]
    records = json.loads((settings.out / "results.json").read_text())["_checkpoint"]["records"]
    assert [one["route_id"] for one in records] == names
    with pytest.raises(LedgerError, match="seed was 5, is 6"):
        told(replace(more, seed=6))


def test_what_fails_is_tried_once_more_and_classed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "agent-0", "crashes-1", "ok-2")
    code, output = told(settings)
    assert code == 1
    found = [
        (one.result.record["route_id"].split("_")[1], one.result.attempt, one.result.is_last)
        for one in ledger_of(settings).entries
    ]
    assert found == [
        ("agent-0", 1, False),
        ("agent-0", 2, True),
        ("crashes-1", 1, False),
        ("crashes-1", 2, True),
        ("ok-2", 1, True),
    ]
    classes = [one.result.extra.get("failure_class") for one in ledger_of(settings).entries]
    assert classes == ["policy"] * 2 + ["infrastructure"] * 2 + [None]
    assert "2 of 3 routes, score 50.0" in output
    assert "3 routes have scenarios that only an official evaluator acts out" in output
    assert "2 infrastructure failures, 2 policy failures" in output
    # The policy's failure counts; the other route is driven on the next call.
    (tmp_path / "out" / "mended").touch()
    assert "2 of 3 routes are finished already" in told(settings)[1]


def test_a_failed_route_leaves_the_ends_of_its_logs(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "raises-0")
    told(settings)
    (entry,) = ledger_of(settings).latest.values()
    assert "ValueError: out of luck" in entry.result.extra["logs"]["worker"]


def test_a_plan_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, "ok-0", "ok-1")
    output = told(settings, run=False)[1]
    assert "2 of 2 routes to drive with 1 workers on embedded simulators" in output
    assert not settings.out.exists()
    told(replace(settings, route_ids=("ok-0",)))
    ledger = settings.out / LEDGER_FILE
    with ledger.open("ab") as file:
        file.write(b'{"result": ')
    before = {path: path.read_bytes() for path in settings.out.rglob("*") if path.is_file()}
    output = told(replace(settings, repetitions=2, seed=0), run=False)[1]
    assert "RouteScenario_ok-0_rep0 in Demo: finished: Perfect, score 100.00" in output
    assert "RouteScenario_ok-1_rep1 in Demo: to drive, seed 1" in output
    assert "3 of 4 routes to drive" in output
    assert before == {path: path.read_bytes() for path in settings.out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--routes", "none.xml"], r"none\.xml: no such route file"),
        (["--routes", "empty"], r"empty: there is no \.xml file in the folder"),
        (["--routes", "twice"], r"a\.xml, .*b\.xml: route id 0 is used more than once"),
        (["--routes", "lost.xml"], "town 'Atlantis' is not one of the embedded simulator's own"),
        (["--routes", "lost.xml", "--evaluator", "official"], "LEADERBOARD_ROOT is not set"),
        (["--agent", "no_agent.py"], r"no_agent\.py: has no function get_entry_point\(\)"),
        (["--agent", "gone.py"], r"gone\.py: no such agent file"),
        (["--simulator", "carla://127.0.0.1:1"], r"no simulator answers at 127\.0\.0\.1:1"),
        (["--simulator", "carla://h,carla://h:2000"], "carla://h is named twice"),
        (["--simulator", "carla://h", "--workers", "2"], "each worker needs its own"),
        (["--simulator", "carla://h", "--port", "2000"], "--port is of a simulator that is"),
        (["--simulator", "carla-binary:nowhere"], "no program that can be started"),
        (["--simulator", "carla-docker:"], "name an image"),
        (["--simulator", "localhost"], "expected carla://host:port"),
        (["--workers", "2", "--port", "PORT"], r"port \d+ on 127\.0\.0\.1 is in use; free is"),
        (["--out", "lost.xml"], "a file of that name is in the way"),
        (["--out", "mixed"], "rules was 2.1, is 2.0"),
        (["--out", "damaged"], r"ledger\.jsonl, line 1 is damaged"),
        (["--out", "foreign"], r"results\.json is truncated or not JSON"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_started(
    options: Sequence[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("LEADERBOARD_ROOT", "BENCH2DRIVE_ROOT"):
        monkeypatch.delenv(variable, raising=False)
    settings = settings_in(tmp_path, "ok-0")
    write_routes(Path("lost.xml"), "0", town="Atlantis")
    for folder in ("empty", "twice", "mixed", "damaged", "foreign"):
        Path(folder).mkdir()
    write_routes(Path("twice/a.xml"), "0")
    write_routes(Path("twice/b.xml"), "0")
    Path("no_agent.py").write_text("x = 1\n")
    write_ledger(replace(settings, out=Path("mixed"), rules=Benchmark.LEADERBOARD_2_1.rules))
    Path("damaged", LEDGER_FILE).write_text("{\n")
    Path("foreign", "results.json").write_text("{")
    monkeypatch.setattr("evaluation.runs.drive.run_anywhere", None)
    given = {"--routes": "routes.xml", "--agent": "probe_agent.py", "--out": "out"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1] - 4)
        pairs = zip(options[::2], options[1::2], strict=True)
        given |= {name: port if value == "PORT" else value for name, value in pairs}
        assert main(["evaluate", *(word for pair in given.items() for word in pair)]) == 2
    capture = capsys.readouterr().err
    assert re.search(message, capture), capture
    assert len(capture.splitlines()) == 1


def write_ledger(settings: DriveSettings) -> None:
    """As if all routes had been driven."""
    plan = make_plan(settings)
    with open_ledger(settings.out) as ledger:
        ledger.begin({"conditions": run_conditions(plan.jobs[0])})
        for job in plan.jobs:
            ledger.add(driven(job), plan.conditions[job.name])


def test_the_folder_of_the_results_may_not_be_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    settings = settings_in(tmp_path, "ok-0")
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(LedgerError, match="out cannot be written to: Permission denied"):
        told(settings)


EVALUATOR = """
import json, os, sys
words = [word for word in sys.argv[1:] if not word.startswith("--agent-config")]
options = dict(zip(words[::2], words[1::2]))
print("driving", options["--routes-subset"], "seed", options["--traffic-manager-seed"])
if options["--routes-subset"] == "7":
    sys.exit("no licence")
record = json.loads(os.environ["RECORD"])
record["route_id"] = "RouteScenario_%s_rep0" % options["--routes-subset"]
text = json.dumps({"entry_status": "Finished", "_checkpoint": {"progress": [1, 1],
    "records": [record]}})
open(options["--checkpoint"], "w").write(text)
"""


def test_an_official_evaluator_drives_each_route_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.evaluation.official.test_results import record

    monkeypatch.setattr("evaluation.official.installation.missing_packages", list)
    own = {"scenario_name": "Accident_1", "town_name": "Demo", "weather_id": 1, "save_name": "s"}
    monkeypatch.setenv("RECORD", json.dumps({**record(0), **own}))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    arguments = ["evaluate", "--routes", str(write_routes(tmp_path / "r.xml", "3", "7"))]
    arguments += ["--agent", str(write_agent(tmp_path, "probe_agent")), "--workers", "2"]
    arguments += ["--evaluator", "official", "--protocol", "bench2drive-0.0.3"]
    arguments += ["--bench2drive-root", str(write_bench2drive(tmp_path / "b", EVALUATOR))]
    arguments += ["--carla-agents", str(write_agents(tmp_path / "carla"))]
    arguments += ["--out", str(tmp_path / "out"), "--seed", "1"]
    assert main(arguments) == 1
    ledger = read_ledger(tmp_path / "out" / LEDGER_FILE)
    (finished,) = ledger.finished.values()
    assert finished.result.record["scenario_name"] == "Accident_1"
    assert finished.result.record["route_id"] == finished.result.name == "RouteScenario_3_rep0"
    failed = ledger.latest["RouteScenario_7_rep0"].result
    assert (failed.attempt, failed.extra["failure_class"]) == (2, "infrastructure")
    assert "driving 7 seed 1" in failed.extra["logs"]["worker"]
    assert "no licence" in failed.extra["logs"]["worker"]
    run = ledger.runs[0]["conditions"]
    assert (run["evaluator"], run["rules"]) == ("bench2drive", "bench2drive")
    capsys.readouterr()
    arguments[arguments.index("bench2drive-0.0.3")] = "leaderboard-2.1"
    assert main(arguments) == 2
    assert "LEADERBOARD_ROOT is not set" in capsys.readouterr().err


FAILED_BY_AGENT = Failure(Blame.AGENT, AGENT_CRASHED, "out of fuel")


@pytest.mark.parametrize(
    ("fates", "retry_agent", "last"),
    [
        (["ok"], True, [True]),
        (["agent", "ok"], True, [False, True]),
        (["agent", "agent"], True, [False, True]),
        (["agent"], False, [True]),
        (["crashes", "agent"], False, [False, True]),
        (["bad"], True, [True]),
    ],
)
def test_who_is_tried_again(fates: Sequence[str], retry_agent: bool, last: Sequence[bool]) -> None:
    (job,), tries = jobs_of("x-0"), Tries(1, retry_agent)
    judged = []
    for fate in fates:
        tries.begin(job.name)
        result = driven(job) if fate == "ok" else unscored(job, FAILURES[fate])
        judged.append(tries.judge(result).is_last)
    assert judged == last


def test_progress_tells_score_interval_failures_and_time() -> None:
    first, second = jobs_of("0", "1")
    progress = RunProgress(6, [result_of(first, 0, 100.0)], now_s=0.0)
    assert progress.text(0.0) == "1 of 6 routes, score 100.0"
    progress.add(result_of(first, 1, 50.0))
    progress.add(replace(unscored(second, FAILED_BY_AGENT), is_last=False))
    progress.add(result_of(second, 0, 75.0))
    # The mean of the first route's repetitions is 75 as well.
    assert progress.text(4000.0) == (
        "3 of 6 routes, score 75.0 [75.0, 75.0], 1 policy failures, 1 h 40 min to go"
    )


def result_of(job: Job, repetition: int, score: float) -> JobResult:
    result = driven(replace(job, repetition=repetition))
    scores = {**result.record["scores"], "score_composed": score}
    return replace(result, record={**result.record, "scores": scores})


def test_no_two_workers_share_a_place(tmp_path: Path) -> None:
    waiting = deque(jobs_of("ok-0", "crashes-1", "agent_hangs-2", "agent_hangs-3"))
    with Supervisor(WorkerSettings(2, tmp_path, factory=StandIn)) as workers:
        places: list[set[int]] = []
        while waiting or not places:
            while waiting and workers.has_room:
                workers.begin(waiting, lambda _: None)
                places.append({one.place for one in workers._workers})
                assert len(places[-1]) == len(workers._workers)
            list(workers.events())
    assert set().union(*places) == {0, 1}


def test_what_is_a_places_own() -> None:
    (job,) = jobs_of("0")
    many = replace(job, session=SessionSettings(simulator="carla://a,carla://b:3000"))
    found = [placed(many, place, 0).session.simulator for place in (0, 1)]
    assert found == ["carla://a", "carla://b:3000"]
    official = replace(job, official=LeaderboardSettings(Path("r"), Path("a")))
    for place in (0, 1, 2):
        there = placed(official, place, 2000)
        assert there.session.server.port == 2000 + 4 * place
        assert there.official is not None
        assert (there.official.port, there.official.simulator) == (2000 + 4 * place, "embedded")
