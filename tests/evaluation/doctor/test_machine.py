"""Checks of the machine, in right and wrong circumstances."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from evaluation.doctor import machine
from evaluation.doctor.finding import Plan
from evaluation.doctor.machine import (
    GIB,
    GNSS,
    check_disk,
    check_namesakes,
    check_ports,
    check_python,
    check_renderer,
    check_torch,
    check_wheel,
)
from evaluation.servers import ports
from evaluation.simulator.wire.dialect import DIALECTS

PLAN = Plan()
Usage = namedtuple("Usage", "total used free")


def install(monkeypatch: pytest.MonkeyPatch, packages: Mapping[str, str]) -> None:
    """Only these packages, name to version, are installed."""

    def version(name: str) -> str:
        if name not in packages:
            raise PackageNotFoundError(name)
        return packages[name]

    owners = [name for name in packages if name.startswith("carla")]
    monkeypatch.setattr(machine, "version", version)
    monkeypatch.setattr(machine, "packages_distributions", lambda: {"carla": owners})


@pytest.mark.parametrize(
    ("running", "level"),
    [((3, 9), "wrong"), ((3, 10), "ok"), ((3, 12), "ok"), ((3, 13), "wrong")],
)
def test_python(monkeypatch: pytest.MonkeyPatch, running: tuple[int, int], level: str) -> None:
    monkeypatch.setattr(sys, "version_info", running)
    assert check_python(PLAN).level == level


def test_every_dialect_of_the_simulator_is_told_with_its_latitude() -> None:
    grows = {version: "grows" in text for version, text in GNSS.items()}
    assert grows == {version: one.gnss_is_transverse for version, one in DIALECTS.items()}


@pytest.mark.parametrize("version", GNSS)
def test_a_wheel_that_fits(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    install(monkeypatch, {"carla": version})
    finding = check_wheel(PLAN)
    assert (finding.level, finding.text) == ("ok", f"{version}: {GNSS[version]}")


@pytest.mark.parametrize(
    ("packages", "said", "fix"),
    [
        ({}, "not installed", "install carla=="),
        ({"carla": "0.9.14"}, "0.9.14", "install carla=="),
        ({"carla": "0.9.16", "carla-0-9-15": "0.0.1"}, "carla-0-9-15", "carla carla-0-9-15, then"),
        ({"carla-0-9-16": "0.0.1"}, "carla-0-9-16", "uninstall -y carla-0-9-16, then"),
    ],
)
def test_a_wheel_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, packages: Mapping[str, str], said: str, fix: str
) -> None:
    install(monkeypatch, packages)
    finding = check_wheel(PLAN)
    assert finding.level == "wrong"
    assert said in finding.text
    assert fix in finding.fix


def test_a_wheel_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {"carla": "0.9.16"})
    monkeypatch.setitem(sys.modules, "carla", None)
    finding = check_wheel(PLAN)
    assert finding.level == "wrong"
    assert "cannot be loaded" in finding.text


def test_namesakes(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, {"carla": "0.9.16"})
    assert check_namesakes(PLAN).level == "ok"
    install(monkeypatch, {"leaderboard": "3.7.3"})
    finding = check_namesakes(PLAN)
    assert finding.level == "wrong"
    assert "uninstall -y leaderboard;" in finding.fix


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the NVIDIA driver's version would stand; there is none yet."""
    monkeypatch.setattr(machine, "NVIDIA_DRIVER", tmp_path / "version")
    return tmp_path / "version"


def test_torch_without_a_gpu(monkeypatch: pytest.MonkeyPatch, driver: Path) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert check_torch(PLAN).level == "ok"
    driver.touch()
    finding = check_torch(PLAN)
    assert finding.level == "wrong"
    assert "is a CPU build" in finding.text


@pytest.mark.parametrize(
    ("free", "bf16", "level"),
    [(40 * GIB, True, "ok"), (2 * GIB, True, "wrong"), (40 * GIB, False, "warning")],
)
def test_torch_with_a_gpu(
    monkeypatch: pytest.MonkeyPatch, free: int, bf16: bool, level: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H100")
    finding = check_torch(PLAN)
    assert finding.level == level
    assert f"{free / GIB:.1f} of 80.0 GiB free" in finding.text


@pytest.mark.parametrize(
    ("code", "out", "has_driver", "level"),
    [
        (0, "llvmpipe, OpenGL 4.5: 14 ms", False, "ok"),
        (0, "llvmpipe, OpenGL 4.5: 14 ms", True, "warning"),
        (0, "NVIDIA H100/PCIe, OpenGL 4.6: 1 ms", True, "ok"),
        (1, "", False, "wrong"),
        (-11, "", True, "wrong"),
    ],
)
def test_renderer(
    monkeypatch: pytest.MonkeyPatch,
    driver: Path,
    code: int,
    out: str,
    has_driver: bool,
    level: str,
) -> None:
    def drawn(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], code, out, "")

    monkeypatch.setattr(subprocess, "run", drawn)
    if has_driver:
        driver.touch()
    finding = check_renderer(PLAN)
    assert finding.level == level
    assert ("libegl1" in finding.fix) == (level == "wrong")


def test_a_renderer_that_hangs_is_no_failure_of_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hangs(*_: object, timeout: float, **__: object) -> subprocess.CompletedProcess[str]:
        raise subprocess.TimeoutExpired("drawing", timeout)

    monkeypatch.setattr(subprocess, "run", hangs)
    finding = check_renderer(PLAN)
    assert finding.level == "warning"
    assert "idle" in finding.fix


def test_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port, host="": port != 2001)
    assert check_ports(PLAN).level == "warning"
    assert check_ports(Plan(port=2000)).level == "wrong"
    assert "2001 of the simulator" in check_ports(Plan(port=2001)).text
    assert check_ports(Plan(port=3000)).text == "free: 3000, 3001, 8000"
    assert check_ports(Plan(simulator="carla://localhost")).text == "free: 8000"


@pytest.mark.parametrize(("free", "level"), [(50, "ok"), (5, "warning"), (0.5, "wrong")])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free * GIB))
    assert check_disk(Plan(out=tmp_path / "not" / "yet")).level == level
