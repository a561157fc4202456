"""The plugin in projects that know nothing of this one: those of its README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.official.installation import missing_packages
from tests.shapes import PROJECT

FOLDER = PROJECT / "evaluation" / "pytest_plugin"
PLUGIN = "evaluation.pytest_plugin.plugin"
TIMEOUT_S = 240.0
README = (FOLDER / "README.md").read_text(encoding="utf-8")
EXAMPLES = {
    re.findall(r"def (test_\w+)", code)[0]: code
    for code in re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
}
# The camera's image is waited for: where a camera goes with one on its way, carla 0.9.16 sometimes
# ends the process (signal 6).
LEAVES_ACTORS = """
import queue


def test_leaves_a_car_and_a_running_camera(carla_world):
    library = carla_world.get_blueprint_library()
    point = carla_world.get_map().get_spawn_points()[0]
    car = carla_world.spawn_actor(library.find("vehicle.tesla.model3"), point)
    camera = carla_world.spawn_actor(library.find("sensor.camera.rgb"), point, attach_to=car)
    images = queue.SimpleQueue()
    camera.listen(images.put)
    carla_world.tick()
    images.get(timeout=20.0)


def test_finds_none_of_them(carla_world, carla_town):
    carla_world.tick()
    assert carla_town in carla_world.get_map().name
    assert not [actor for actor in carla_world.get_actors() if actor.type_id.startswith("vehicle")]
    assert carla_world.get_settings().synchronous_mode
    assert carla_world.get_settings().fixed_delta_seconds == 0.05
"""


def run_tests(
    folder: Path, code: str, *options: str, paths: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a project of one file, in a process and a folder that are not this project's."""
    (folder / "test_foreign.py").write_text(code, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", PLUGIN, "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), *paths, os.environ.get("PYTHONPATH", "")]),
            # Where the project is installed, pytest would load the plugin a second time.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def test_the_first_example_passes_and_tests_leave_nothing_to_each_other(tmp_path: Path) -> None:
    code = EXAMPLES["test_the_car_moves_when_the_throttle_is_pressed"] + LEAVES_ACTORS
    done = run_tests(tmp_path, code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 4 passed" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--carla-simulator", "carla://127.0.0.1:1"), "no simulator answers at 127.0.0.1:1"),
        (("--carla-simulator", "localhost"), "expected carla://host:port"),
        (("--carla-client-version", "0.9.9"), "0.9.9"),
    ],
)
def test_what_cannot_be_started_is_told_in_one_error(
    tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = run_tests(tmp_path, "def test_world(carla_world): ...", *options)
    assert done.returncode == 1
    assert message in done.stdout
    assert "Traceback" not in done.stdout


def foreign_paths(*names: str) -> tuple[str, ...]:
    """Folders of other people's checkouts, or a skipped test."""
    folders = {
        "agents": os.environ.get("CARLA_AGENTS_ROOT", ""),
        "leaderboard": os.environ.get("LEADERBOARD_ROOT", ""),
        "srunner": os.environ.get("SCENARIO_RUNNER_ROOT", ""),
    }
    for name in names:
        if not (Path(folders[name]) / name).is_dir() or not folders[name]:
            pytest.skip(
                "needs other people's agents: CARLA_AGENTS_ROOT, and LEADERBOARD_ROOT and "
                "SCENARIO_RUNNER_ROOT of release 2.1"
            )
    packages = missing_packages()
    if packages:
        pytest.skip(f"needs {', '.join(packages)}: make leaderboard-environment")
    return tuple(folders[name] for name in names)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "needs"),
    [
        ("test_the_npc_agent_follows_its_route", ("agents", "leaderboard", "srunner")),
        ("test_the_behavior_agent_keeps_to_its_lane", ("agents",)),
    ],
)
def test_foreign_agents_drive(tmp_path: Path, example: str, needs: tuple[str, ...]) -> None:
    done = run_tests(tmp_path, EXAMPLES[example], paths=foreign_paths(*needs))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 1 passed" in done.stdout


def test_the_plugin_is_registered_under_the_name_of_its_readme() -> None:
    setup = (PROJECT / "setup.cfg").read_text(encoding="utf-8")
    assert f"carla_simulator = {PLUGIN}" in setup
    assert "`carla_simulator`" in README
