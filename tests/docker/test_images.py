"""Dockerfiles, compose file and locks: by their linters, and held to the rest of the project."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir

from evaluation.__main__ import COMMANDS, build_parser
from evaluation.official.setup_check import RELEASES
from model.training.settings import from_hydra
from tests.shapes import PROJECT

FOLDER = PROJECT / "docker"
DOCKERFILES = sorted(FOLDER.glob("*.Dockerfile"))
LOCKS = sorted(FOLDER.glob("*.lock"))
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
WITHOUT_DISPLAY = {"opencv-python": "opencv-python-headless"}
"""What images have in the place of a package of setup.cfg."""


def run_tool(name: str, *arguments: object) -> None:
    """Runs a linter of this environment, or skips the test."""
    program = shutil.which(name, path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip(f"needs the program {name}: make install")
    done = subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    run_tool("hadolint", file)


def test_the_compose_file_fits_its_schema() -> None:
    run_tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FOLDER / "compose.yaml")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_images_run_as_a_user_hold_no_secret_and_have_a_health_check(file: Path) -> None:
    text = file.read_text()
    assert re.findall(r"^USER (\S+)", text, flags=re.MULTILINE) == ["1000:1000"]
    assert "HEALTHCHECK" in text
    assert not re.search(r"(?i)(ARG|ENV)\s.*(token|passw|secret|api_key)", text)
    assert "--require-hashes" in text


@pytest.mark.parametrize(
    ("variable", "repository", "reference"),
    [
        ("LEADERBOARD", "carla-simulator/leaderboard", "leaderboard-2.1"),
        ("SCENARIO_RUNNER", "carla-simulator/scenario_runner", "leaderboard-2.1"),
        ("BENCH2DRIVE", "Thinklab-SJTU/Bench2Drive", "0.0.4"),
    ],
)
def test_checkouts_are_those_that_are_known_to_work(
    variable: str, repository: str, reference: str
) -> None:
    text = (FOLDER / "agent.Dockerfile").read_text()
    (commit,) = re.findall(rf"^ARG {variable}=([0-9a-f]{{40}})$", text, flags=re.MULTILINE)
    (release,) = (
        release
        for release in RELEASES
        if (release.repository, release.reference) == (repository, reference)
    )
    assert commit.startswith(release.commit)
    assert f"checkout {repository} " in text


def filled(words: list[str]) -> list[str]:
    """Words of a command with the default of every variable."""
    return [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in words]


@pytest.mark.parametrize("name", ["demo", "carla-drive", "bench"])
def test_the_runner_understands_what_services_start(name: str) -> None:
    command = filled(SERVICES[name]["command"])
    if command[0] not in COMMANDS:
        pytest.skip(f"needs the verb {command[0]}")
    build_parser().parse_args(command)


def test_training_understands_what_its_service_starts() -> None:
    verb, *overrides = filled(SERVICES["train"]["command"])
    assert verb == "train"
    with initialize_config_dir(str(PROJECT / "model" / "training" / "config"), version_base="1.3"):
        assert from_hydra(compose("train", overrides))


def test_every_service_has_one_of_the_profiles_and_none_more_rights_than_it_needs() -> None:
    profiles = {profile for service in SERVICES.values() for profile in service["profiles"]}
    assert profiles == {"demo", "carla", "bench", "train"}
    for name, service in SERVICES.items():
        if service["image"].startswith("simlingo"):
            assert service["cap_drop"] == ["ALL"], name
        assert "privileged" not in service, name


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", path.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_have_a_hash_for_everything_that_driving_needs(lock: Path) -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(PROJECT / "setup.cfg")
    needed = re.findall(r"^([\w-]+)", setup["options"]["install_requires"], flags=re.MULTILINE)
    names = {WITHOUT_DISPLAY.get(name, name) for name in needed}
    assert names <= pins(lock).keys()
    assert not WITHOUT_DISPLAY.keys() & pins(lock).keys()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_agree_with_the_versions_that_are_tested(lock: Path) -> None:
    tested: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([\w.-]+)==([^\s;\\]+)", (PROJECT / "constraints.txt").read_text(), flags=re.MULTILINE
    ):
        tested.setdefault(name, set()).add(version)
    for package, version in pins(lock).items():
        name = {there: name for name, there in WITHOUT_DISPLAY.items()}.get(package, package)
        assert version.removesuffix("+cpu") in tested[name], f"make lock: {name} {version}"


def test_commands_of_the_readme_exist() -> None:
    readme = (FOLDER / "README.md").read_text()
    blocks = "".join(re.findall(r"^```bash\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL))
    for line in blocks.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for profile in [words[at + 1] for at, word in enumerate(words) if word == "--profile"]:
            assert any(profile in service["profiles"] for service in SERVICES.values()), line
        for file in [word for word in words if word.startswith("docker/")]:
            assert (PROJECT / file).exists(), line
        if words[:1] == ["docker/build.sh"]:
            assert words[1:] in (["evaluation"], ["agent"], ["submission"], ["bench2drive"]), line
