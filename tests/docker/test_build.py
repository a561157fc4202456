"""What build.sh asks of a Docker engine: run as a program with a stand-in for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.shapes import PROJECT

BUILD = PROJECT / "docker" / "build.sh"


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    engine = folder / "docker"
    engine.write_text('#!/bin/sh\n[ "$1" = info ] || echo "$@"\n')
    engine.chmod(0o755)
    return subprocess.run(
        ["bash", str(BUILD), *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("image", ["agent", "submission", "bench2drive"])
def test_images_of_one_dockerfile_are_its_targets(tmp_path: Path, image: str) -> None:
    words = build(tmp_path, image).stdout.split()
    assert words[0] == "build"
    assert words[-1] == str(PROJECT)
    assert words[words.index("--file") + 1] == str(PROJECT / "docker" / "agent.Dockerfile")
    assert words[words.index("--target") + 1] == image
    assert words[words.index("--tag") + 1] == f"simlingo-{image}"


def test_the_evaluation_image_is_the_usual_one(tmp_path: Path) -> None:
    words = build(tmp_path).stdout.split()
    assert words[words.index("--tag") + 1] == "simlingo-evaluation"
    assert "--target" not in words


def test_further_options_go_to_the_build(tmp_path: Path) -> None:
    words = build(tmp_path, "agent", "--build-arg", "GITHUB=file:///mirror").stdout.split()
    assert words[words.index("--build-arg") + 1] == "GITHUB=file:///mirror"


def test_an_image_that_there_is_not_is_refused(tmp_path: Path) -> None:
    done = build(tmp_path, "agents")
    assert done.returncode == 2
    assert "got agents" in done.stderr
