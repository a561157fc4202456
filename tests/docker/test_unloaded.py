"""Symbols go out of libraries, and what is loaded stays: with carla's own, which `strip` breaks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest

from tests.shapes import PROJECT

PROGRAM = PROJECT / "docker" / "unloaded.py"


def copied(package: str, folder: Path) -> Path:
    """The installed package and the libraries that came with it, in a folder; its largest one."""
    installed = [Path(str(file.locate())) for file in files(package) or () if ".so" in file.name]
    largest = max(installed, key=lambda file: file.stat().st_size)
    site = largest.parents[1]
    for part in {file.relative_to(site).parts[0] for file in installed}:
        shutil.copytree(site / part, folder / part)
    return folder / largest.relative_to(site)


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="needs ELF libraries")
def test_a_library_without_symbols_is_loaded_and_works(tmp_path: Path) -> None:
    library = copied("carla", tmp_path)
    before = library.stat()
    done = run(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stderr
    assert library.stat().st_size < 0.5 * before.st_size
    assert library.stat().st_mode == before.st_mode
    program = (
        "import carla; print(carla.__file__, carla.Location(3.0, 4.0).distance(carla.Location()))"
    )
    # Not `-m`, and from elsewhere: the copy is the one to be loaded.
    used = run("-c", program, PYTHONPATH=str(tmp_path))
    assert used.stdout.split() == [str(tmp_path / "carla" / "__init__.py"), "5.0"], used.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs ELF libraries")
def test_what_holds_nothing_to_take_out_is_left_alone(tmp_path: Path) -> None:
    library = copied("carla", tmp_path)
    run(PROGRAM, tmp_path)
    once = library.read_bytes()
    (tmp_path / "text.so").write_text("INPUT(libother.so)")
    done = run(PROGRAM, tmp_path)
    assert done.returncode == 0, done.stderr
    assert library.read_bytes() == once
    assert (tmp_path / "text.so").read_text() == "INPUT(libother.so)"
