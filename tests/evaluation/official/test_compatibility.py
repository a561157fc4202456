"""What the evaluators miss on this Python; each in a process of its own, since it stays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.official.fake_checkouts import write_files

PROJECT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}
INSTALL = "from evaluation.official.compatibility import install; install()\n"
PKG_RESOURCES = """
import carla, importlib.metadata, pkg_resources
print(pkg_resources.get_distribution("carla").version == importlib.metadata.version("carla"))
try:
    pkg_resources.get_distribution("no-such-package")
except pkg_resources.DistributionNotFound:
    print(True)
"""
GETCHILDREN = """
import sys
import xml.etree.ElementTree as ET
root = ET.parse(sys.argv[1]).getroot()
print([child.tag for child in root.getchildren()] == ["b", "c"])
print([child.tag for child in root[0].getchildren()] == ["d"])
try:
    ET.parse(sys.argv[0])
except ET.ParseError:
    print(True)
"""
DISTUTILS = """
from distutils.util import strtobool
from distutils.version import LooseVersion
print(LooseVersion("0.9.16") > LooseVersion("0.9.10"), strtobool("yes") == 1)
"""


def run(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("code", [PKG_RESOURCES, GETCHILDREN, DISTUTILS])
def test_old_code_runs(code: str, tmp_path: Path) -> None:
    (tmp_path / "file.xml").write_text("<a><b><d/></b><c/></a>")
    done = run(tmp_path, INSTALL + code, str(tmp_path / "file.xml"))
    assert set(done.stdout.split()) == {"True"}, done.stderr


def test_it_may_be_given_twice_as_in_the_images(tmp_path: Path) -> None:
    """Once when Python starts, by a .pth file, and once by the evaluator's launcher."""
    (tmp_path / "file.xml").write_text("<a><b><d/></b><c/></a>")
    done = run(tmp_path, INSTALL + INSTALL + PKG_RESOURCES)
    assert set(done.stdout.split()) == {"True"}, done.stderr
    done = run(tmp_path, INSTALL + INSTALL + GETCHILDREN, str(tmp_path / "file.xml"))
    assert set(done.stdout.split()) == {"True"}, done.stderr


def test_a_real_pkg_resources_is_left_alone(tmp_path: Path) -> None:
    write_files(tmp_path, {"pkg_resources.py": "REAL = True\n"})
    done = run(tmp_path, INSTALL + "import pkg_resources; print(pkg_resources.REAL)\n")
    assert done.stdout == "True\n", done.stderr


def test_elements_that_can_do_it_are_left_alone(tmp_path: Path) -> None:
    code = """
import xml.etree.ElementTree as ET
class Old(ET.Element):
    def getchildren(self): return list(self)
ET.Element = Old
parser = ET.XMLParser
from evaluation.official.compatibility import install; install()
print(ET.XMLParser is parser)
"""
    done = run(tmp_path, code)
    assert done.stdout == "True\n", done.stderr


def test_the_launcher_is_like_running_the_script(tmp_path: Path) -> None:
    evaluator = """
import sys
import beside
import xml.etree.ElementTree as ET
import pkg_resources
print(__name__, sys.argv == [__file__, "--one", "two"], beside.__file__)
print(ET.parse("data/weather.xml").getroot().tag, ET.parse("own.xml").getroot().tag)
sys.exit(7)
"""
    files = {"sub/evaluator.py": evaluator, "sub/beside.py": "", "data/weather.xml": "<weathers/>"}
    checkout = write_files(tmp_path / "checkout", files)
    here = write_files(tmp_path / "here", {"own.xml": "<own/>"})
    script = checkout / "sub" / "evaluator.py"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "evaluation.official.launch"),
            *(str(checkout), str(script), "--one", "two"),
        ],
        cwd=here,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines() == [
        f"__main__ True {checkout / 'sub' / 'beside.py'}",
        "weathers own",
    ]


def test_a_file_here_comes_before_one_of_the_checkout(tmp_path: Path) -> None:
    checkout = write_files(tmp_path / "checkout", {"data.xml": "<theirs/>"})
    here = write_files(tmp_path / "here", {"data.xml": "<own/>"})
    code = f"""
import os, pathlib
from evaluation.official.compatibility import install
install(pathlib.Path({str(checkout)!r}))
os.chdir({str(here)!r})
import xml.etree.ElementTree as ET
print(ET.parse("data.xml").getroot().tag)
"""
    done = run(tmp_path, code)
    assert done.stdout == "own\n", done.stderr


def test_scenarios_draw_the_same_in_every_run_of_a_seed(tmp_path: Path) -> None:
    """Some draw from the generators of the whole process."""
    script = tmp_path / "evaluator.py"
    script.write_text(
        "import random\nfrom numpy import random as numpy_random\n"
        "print(random.random(), numpy_random.normal(0.0, 1.0))\n",
        encoding="utf-8",
    )

    def drawn(*arguments: str) -> str:
        command = [sys.executable, "-m", "evaluation.official.launch", str(tmp_path), str(script)]
        done = subprocess.run(
            [*command, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert drawn() == drawn() == drawn("--traffic-manager-seed", "0")
    assert drawn("--traffic-manager-seed", "1") not in ("", drawn())
