"""Ports, sensor rules, agent files, town names and the command line."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from evaluation.__main__ import build_parser, main
from evaluation.closed_loop.agent_loader import AgentLoadError, last_step_of, load_agent_class
from evaluation.closed_loop.sensor_interface import (
    SensorSpecError,
    attributes_of,
    check_specs,
    mount_of,
)
from evaluation.routes.towns import TownSpecError, name_of, spec_of
from evaluation.servers.ports import PortInUseError, free_port, is_free, require_free
from evaluation.servers.session import SimulatorAddressError, parse_address

CAMERA = {
    "type": "sensor.camera.rgb",
    "id": "rgb",
    "x": -1.0,
    "y": 0.0,
    "z": 2.2,
    "roll": 0.0,
    "pitch": 0.0,
    "yaw": 58.0,
    "width": 192,
    "height": 96,
    "fov": 65,
}
GNSS = {"type": "sensor.other.gnss", "id": "gnss", "x": 0.0, "y": 0.0, "z": 0.0}
MAP = {"type": "sensor.opendrive_map", "id": "map"}


def test_a_taken_port_is_named_and_a_free_one_offered() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(PortInUseError, match=rf"port {port} .* free is for instance \d+"):
            require_free(port, neighbours=2)


def test_free_ports_come_in_neighbours() -> None:
    port = free_port(neighbours=2)
    assert is_free(port)
    assert is_free(port + 1)


def test_good_sensors_pass() -> None:
    check_specs([CAMERA, GNSS, {"type": "sensor.speedometer", "id": "speed"}], "SENSORS")
    check_specs([CAMERA, MAP], "MAP")


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([{**CAMERA, "id": ""}], "has no id"),
        ([CAMERA, CAMERA], "'rgb': the id is used twice"),
        ([{**CAMERA, "type": "sensor.camera.depth"}], "'rgb': type 'sensor.camera.depth'"),
        ([MAP], "'map': the map is not allowed on track SENSORS"),
        ([{**CAMERA, "x": -2.5}], r"'rgb': mounted 3.33 m .* at most 3.0 m"),
        ([GNSS, {**GNSS, "id": "second"}], "'second': more than 1"),
        ([{**CAMERA, "id": str(n)} for n in range(9)], "'8': more than 8"),
    ],
)
def test_bad_sensors_are_named(specs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(SensorSpecError, match=message):
        check_specs(specs, "SENSORS")


def test_sensors_are_mounted_as_specified() -> None:
    mount = mount_of(CAMERA)
    assert mount.location.z == pytest.approx(2.2)
    assert mount.rotation.yaw == pytest.approx(58.0)
    assert attributes_of(CAMERA) == {"image_size_x": "192", "image_size_y": "96", "fov": "65"}
    assert attributes_of(GNSS)["noise_lat_stddev"] == "5e-06"


def test_an_agent_is_loaded_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "probe_agent_one.py"
    path.write_text("class Probe:\n    pass\ndef get_entry_point():\n    return 'Probe'\n")
    agent_class: Any = load_agent_class(path)
    assert agent_class.__name__ == "Probe"
    assert last_step_of(agent_class()) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", "importing it failed: ModuleNotFoundError"),
        ("def f(:", "importing it failed: SyntaxError"),
        ("x = 1", r"has no function get_entry_point\(\)"),
        ("def get_entry_point():\n    return 'Gone'", "names 'Gone', which is not in the file"),
    ],
)
def test_bad_agent_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / f"probe_agent_{abs(hash(text))}.py"
    path.write_text(text)
    with pytest.raises(AgentLoadError, match=message) as caught:
        load_agent_class(path)
    assert str(path) in str(caught.value)


def test_an_agent_named_like_a_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "json.py"
    path.write_text("def get_entry_point():\n    return 'A'\n")
    with pytest.raises(AgentLoadError, match="'json' is already taken"):
        load_agent_class(path)


def test_town_names(tmp_path: Path) -> None:
    (tmp_path / "Town01.xodr").write_text("<OpenDRIVE/>")
    file = str(tmp_path / "Town01.xodr")
    assert [name_of(spec) for spec in ("demo", "generated:7", file)] == [
        "Demo",
        "Generated7",
        "Town01",
    ]
    assert spec_of("Demo", None, None) == "demo"
    assert spec_of("Generated12", None, None) == "generated:12"
    assert spec_of("Town01", file, None) == file
    assert spec_of("Town01", None, tmp_path) == file
    with pytest.raises(TownSpecError, match=r"--town PATH/Town02\.xodr"):
        spec_of("Town02", file, tmp_path)
    with pytest.raises(TownSpecError, match=r"expected demo, generated:<seed>"):
        name_of("nowhere")


def test_addresses() -> None:
    assert parse_address("carla://host:2100") == ("host", 2100)
    assert parse_address("carla://host") == ("host", 2000)
    with pytest.raises(SimulatorAddressError, match="carla://host:port"):
        parse_address("host:2000")


@pytest.mark.parametrize("verb", ["drive", "serve", "routes", "leaderboard"])
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args([verb, "--help"])
    assert "usage: python -m evaluation" in capsys.readouterr().out


def test_what_the_user_can_mend_is_told_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.xml")
    assert main(["drive", "--routes", missing, "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"drive: {missing}: no such route file\n"


def test_unknown_options_are_refused() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["drive", "--fast"])


def test_the_routes_verb_writes_the_same_file_twice_and_another_for_another_seed(
    tmp_path: Path,
) -> None:
    def routes(seed: int) -> str:
        path = tmp_path / "routes.xml"
        arguments = ["--town", "generated:3", "--length", "150", "--count", "1"]
        assert main(["routes", *arguments, "--seed", str(seed), "--out", str(path)]) == 0
        return path.read_text()

    first = routes(9)
    assert routes(9) == first
    assert routes(10) != first
