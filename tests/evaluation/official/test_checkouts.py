"""Which evaluator a checkout holds, and which checkouts are refused before the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from evaluation.official.checkouts import (
    BENCH2DRIVE,
    LEADERBOARD_2_0,
    LEADERBOARD_2_1,
    LEADERBOARD_MASTER,
    CheckoutError,
    Roots,
    evaluator_in,
    find_checkouts,
)
from evaluation.official.setup_check import show_setup
from tests.evaluation.official.fake_checkouts import (
    LEADERBOARD_1_0,
    SCRIPT,
    environment_of,
    write_agents,
    write_bench2drive,
    write_leaderboard,
    write_scenario_runner,
)

LEADERBOARDS = [LEADERBOARD_2_0, LEADERBOARD_2_1, LEADERBOARD_MASTER]


@pytest.mark.parametrize("kind", LEADERBOARDS)
def test_a_leaderboard_is_told_by_its_contents(kind: str, tmp_path: Path) -> None:
    found = find_checkouts(Roots(), environment_of(tmp_path, kind), kind)
    assert found.evaluator == kind
    assert found.script == tmp_path / "leaderboard" / SCRIPT
    assert found.root == tmp_path / "leaderboard"


def test_bench2drive_is_one_folder(tmp_path: Path) -> None:
    roots = Roots(bench2drive=write_bench2drive(tmp_path / "b"), agents=write_agents(tmp_path))
    found = find_checkouts(roots, {})
    assert found.evaluator == BENCH2DRIVE
    assert found.root == tmp_path / "b"
    assert found.scenario_runner == tmp_path / "b" / "scenario_runner"


def test_bench2drives_own_variables_will_do(tmp_path: Path) -> None:
    folder = write_bench2drive(tmp_path / "b")
    environment = {
        "LEADERBOARD_ROOT": str(folder / "leaderboard"),
        "SCENARIO_RUNNER_ROOT": str(folder / "scenario_runner"),
        "CARLA_AGENTS_ROOT": str(write_agents(tmp_path)),
    }
    assert find_checkouts(Roots(), environment).evaluator == BENCH2DRIVE


def test_options_come_before_the_environment(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, LEADERBOARD_2_0)
    newer = write_leaderboard(tmp_path / "newer", LEADERBOARD_2_1)
    assert find_checkouts(Roots(leaderboard=newer), environment).evaluator == LEADERBOARD_2_1


def test_agents_come_from_an_installation_too(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    del environment["CARLA_AGENTS_ROOT"]
    environment["CARLA_ROOT"] = str(tmp_path / "installed")
    agents = write_agents(tmp_path / "installed" / "PythonAPI" / "carla")
    assert find_checkouts(Roots(), environment).agents == agents


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("LEADERBOARD_ROOT", "LEADERBOARD_ROOT is not set.*--leaderboard-root.*--setup"),
        ("SCENARIO_RUNNER_ROOT", "SCENARIO_RUNNER_ROOT is not set.*--scenario-runner-root"),
        ("CARLA_AGENTS_ROOT", "CARLA_AGENTS_ROOT is not set.*PythonAPI/carla"),
    ],
)
def test_what_is_not_given_is_named(variable: str, message: str, tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    del environment[variable]
    with pytest.raises(CheckoutError, match=message):
        find_checkouts(Roots(), environment)


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("LEADERBOARD_ROOT", "it is no leaderboard"),
        ("SCENARIO_RUNNER_ROOT", "it is no scenario_runner"),
        ("CARLA_AGENTS_ROOT", "holds no agents/navigation"),
    ],
)
def test_a_folder_that_holds_something_else_is_named(
    variable: str, message: str, tmp_path: Path
) -> None:
    environment = environment_of(tmp_path)
    environment[variable] = str(tmp_path / "empty")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckoutError, match=f"empty.*{message}"):
        find_checkouts(Roots(), environment)


def test_another_evaluator_than_the_one_asked_for(tmp_path: Path) -> None:
    environment = environment_of(tmp_path, LEADERBOARD_2_0)
    with pytest.raises(CheckoutError, match=r"holds leaderboard-2\.0, not leaderboard-2\.1"):
        find_checkouts(Roots(), environment, LEADERBOARD_2_1)


def test_bench2drive_is_not_searched_for_among_leaderboards(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match=r"holds leaderboard-2\.0, not bench2drive"):
        find_checkouts(Roots(), environment_of(tmp_path), BENCH2DRIVE)
    with pytest.raises(CheckoutError, match="BENCH2DRIVE_ROOT is not set"):
        find_checkouts(Roots(), {}, BENCH2DRIVE)


@pytest.mark.parametrize(
    ("evaluator", "runner"),
    [
        (LEADERBOARD_MASTER, "leaderboard-2.1"),
        (LEADERBOARD_2_0, "master"),
        (LEADERBOARD_2_1, "bench2drive"),
        (BENCH2DRIVE, "leaderboard-2.1"),
    ],
)
def test_a_pair_that_does_not_fit(evaluator: str, runner: str, tmp_path: Path) -> None:
    roots = Roots(
        leaderboard=write_leaderboard(tmp_path / "l", evaluator),
        scenario_runner=write_scenario_runner(tmp_path / "s", runner),
        agents=write_agents(tmp_path),
    )
    message = f"{runner} branch of scenario_runner, with which {evaluator} does not run"
    with pytest.raises(CheckoutError, match=message):
        find_checkouts(roots, {})


def test_two_evaluators_and_no_word_which(tmp_path: Path) -> None:
    environment = environment_of(tmp_path)
    environment["BENCH2DRIVE_ROOT"] = str(write_bench2drive(tmp_path / "b"))
    with pytest.raises(CheckoutError, match="say which one shall run with --evaluator"):
        find_checkouts(Roots(), environment)
    assert find_checkouts(Roots(), environment, BENCH2DRIVE).evaluator == BENCH2DRIVE
    assert find_checkouts(Roots(), environment, LEADERBOARD_2_0).evaluator == LEADERBOARD_2_0
    option = Roots(leaderboard=tmp_path / "leaderboard")
    assert find_checkouts(option, environment).evaluator == LEADERBOARD_2_0


def test_the_first_leaderboard_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match=r"leaderboard 1\.0, which is not supported"):
        evaluator_in(write_leaderboard(tmp_path, LEADERBOARD_1_0))


def test_an_incomplete_checkout_is_named(tmp_path: Path) -> None:
    write_leaderboard(tmp_path, LEADERBOARD_2_0)
    (tmp_path / "leaderboard" / "utils" / "statistics_manager.py").unlink()
    with pytest.raises(CheckoutError, match=r"statistics_manager\.py is missing.*incomplete"):
        evaluator_in(tmp_path)


def test_setup_checks_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_leaderboard(tmp_path / "good", LEADERBOARD_2_1)
    write_leaderboard(tmp_path / "alone", LEADERBOARD_MASTER)
    write_leaderboard(tmp_path / "old", LEADERBOARD_1_0)
    broken = write_bench2drive(tmp_path / "broken")
    (broken / "leaderboard" / SCRIPT).write_text("# --gpu-rank\nimport no_such_module\n")
    write_scenario_runner(tmp_path / "runner", "leaderboard-2.1")
    agents = write_agents(tmp_path / "carla")
    assert show_setup(tmp_path, Roots(agents=agents), os.environ) == 1
    shown = capsys.readouterr().out
    assert "git clone -b leaderboard-2.0" in shown
    assert "d7bcaf0" in shown
    assert f"    leaderboard-2.1 in {tmp_path / 'good'}: ready" in shown
    assert f"! leaderboard-master in {tmp_path / 'alone'}: no scenario_runner master" in shown
    assert f"! {tmp_path / 'old'} is leaderboard 1.0" in shown
    assert f"! bench2drive in {tmp_path / 'broken' / 'leaderboard'}: ModuleNotFoundError" in shown
    assert len(shown.splitlines()) < 25


def test_setup_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckoutError, match="no such folder"):
        show_setup(tmp_path / "nowhere", Roots(), {})
