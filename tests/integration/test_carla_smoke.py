"""CARLA's own smoke tests, unchanged, against the embedded simulator.

`CARLA_SMOKE_TESTS` names the folder of a CARLA checkout that holds the package `smoke`
(`PythonAPI/test`), and `CARLA_MAPS` one with CARLA's .xodr files. The tests load towns by name;
those that are not in that folder are stood in for: Town03 by another town, Town05 by a straight
road, on whose level ground the physics tests find the room that they need. As CARLA's own have
crosswalks, for which `test_load_all_maps` looks, each of them gets one. Tests of what the installed
`carla` does not have are skipped. On a busy machine with two cores `test_spawn_points` alone, which
spawns 150,000 vehicles, needs half an hour.
"""

from __future__ import annotations

import ast
import faulthandler
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import carla
import pytest

from tests.evaluation.simulator.server_process import RunningSimulator, running_simulator
from tests.evaluation.simulator.tiny_town import straight_road

CHECKOUT = os.environ.get("CARLA_SMOKE_TESTS", "")
MAPS = os.environ.get("CARLA_MAPS", "")
_TIMEOUT_S = 3600.0
_CLIENT_TIMEOUT_S = 120.0
_MISSING = "AttributeError: module 'carla' has no attribute"
"""What a test ends with that is for a newer client."""
_CROSSWALK = """<objects>
<object id="crosswalk" type="crosswalk" s="2" t="0" hdg="0" length="4" width="8"><outline>
<cornerLocal u="-2" v="-4" z="0"/><cornerLocal u="2" v="-4" z="0"/><cornerLocal u="2" v="4" z="0"/>
<cornerLocal u="-2" v="4" z="0"/><cornerLocal u="-2" v="-4" z="0"/></outline></object>
</objects>"""
_START = (
    "import sys, unittest, smoke; smoke.TESTING_ADDRESS = ('localhost', int(sys.argv[1]));"
    "unittest.main(sys.argv[2], argv=['smoke', sys.argv[3]])"
)
FAILING = {
    "TestCollisionSensor.test_single_car": "drives into a wall that only CARLA's own Town03 has",
}
"""Tests that do not pass everywhere, and why; this one may where CARLA's own town is at hand."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHECKOUT, reason="CARLA_SMOKE_TESTS names no PythonAPI/test of CARLA"),
    pytest.mark.skipif(not MAPS, reason="CARLA_MAPS names no folder with CARLA's .xodr files"),
]


def smoke_tests() -> Iterator[tuple[str, str]]:
    """Yield (module, Class.test) of every smoke test in the checkout."""
    for path in sorted(Path(CHECKOUT, "smoke").glob("test_*.py")) if CHECKOUT else ():
        for item in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.ClassDef) and item.name.startswith("Test"):
                for member in item.body:
                    if isinstance(member, ast.FunctionDef) and member.name.startswith("test_"):
                        yield f"smoke.{path.stem}", f"{item.name}.{member.name}"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    towns = tmp_path_factory.mktemp("towns")
    for path in Path(MAPS).glob("*.xodr"):
        shutil.copy(path, towns)
    if not (towns / "Town03.xodr").exists():
        other = sorted(towns.glob("Town0*.xodr"))[0].read_text(encoding="utf-8")
        (towns / "Town03.xodr").write_text(_with_crosswalk(other), encoding="utf-8")
    if not (towns / "Town05.xodr").exists():
        (towns / "Town05.xodr").write_text(_with_crosswalk(straight_road("Town05")))
    with running_simulator("--town", str(towns / "Town03.xodr"), "--towns", str(towns)) as running:
        yield running


def _with_crosswalk(opendrive: str) -> str:
    """Put a crosswalk across the first road that has no objects."""
    return re.sub(r"</lanes>(?!\s*<objects)", f"</lanes>{_CROSSWALK}", opendrive, count=1)


@pytest.fixture(autouse=True)
def _own_time_limit() -> None:
    """Have these tests end by their own limit: pytest's, in `setup.cfg`, ends the whole run."""
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def _ticking_world(simulator: RunningSimulator) -> None:
    """Let the world tick by itself, whatever a test that was ended has left behind."""
    client = carla.Client("127.0.0.1", simulator.port)
    client.set_timeout(_CLIENT_TIMEOUT_S)
    client.get_world().apply_settings(carla.WorldSettings(), _CLIENT_TIMEOUT_S)


@pytest.mark.parametrize(("module", "name"), list(smoke_tests()))
def test_smoke(simulator: RunningSimulator, module: str, name: str) -> None:
    code, printed = run(simulator, module, name)
    if code and _MISSING in printed:
        pytest.skip(printed.strip().splitlines()[-1])
    if code and name in FAILING:
        pytest.xfail(FAILING[name])
    assert code == 0, printed[-2000:]


def run(simulator: RunningSimulator, module: str, name: str) -> tuple[int, str]:
    """Run one test; return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", _START, str(simulator.port), module, name],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stderr
