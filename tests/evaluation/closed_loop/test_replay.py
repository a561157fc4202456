"""Sessions on disk, and what replaying them tells."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from evaluation.closed_loop.replay import replay
from evaluation.closed_loop.session_files import (
    HEADER_FILE,
    IMAGES_FILE,
    TICKS_FILE,
    SessionError,
    read_header,
    read_ticks,
)
from tests.evaluation.closed_loop.session_samples import Echo, header, traced, write_session


@pytest.fixture
def session(tmp_path: Path) -> Path:
    write_session(tmp_path / "session")
    return tmp_path / "session"


def test_everything_comes_back_as_it_was(session: Path) -> None:
    found = read_header(session)
    assert found == header()
    assert len(found.plans()[1]) == 5
    ticks = list(read_ticks(session, found))
    assert [one.by_person for one in ticks] == [False, False, True, False, False, False]
    for number, one in enumerate(ticks, start=1):
        expected = traced(number)
        assert one.inputs.keys() == expected.inputs.keys()
        for name in ("rgb", "gnss", "imu"):
            assert one.inputs[name][0] == number
            np.testing.assert_array_equal(one.inputs[name][1], expected.inputs[name][1])
            assert one.inputs[name][1].dtype == expected.inputs[name][1].dtype
        assert one.inputs["speed"][1] == expected.inputs["speed"][1]
        np.testing.assert_array_equal(one.tick.location_world_m, expected.tick.location_world_m)
        assert one.tick.red_light_ids == {7, 9}
        assert one.tick.collisions == expected.tick.collisions


def test_the_same_agent_answers_the_same(session: Path) -> None:
    report = replay(session, Echo, "")
    assert (report.ticks, report.recorded_ticks, report.differences) == (6, 6, ())


def test_the_first_difference_is_named(session: Path) -> None:
    report = replay(session, Echo, "0.18")
    assert [one.tick for one in report.differences] == [4, 5, 6]
    first = report.differences[0]
    assert first.first_part == "waypoints"
    assert first.time_s == pytest.approx(0.2)
    assert report.largest("waypoints") == pytest.approx(2**0.5)
    assert report.largest("route") == 0.0
    assert report.beyond(2.0) == ()


@pytest.mark.parametrize(("name", "kept"), [(TICKS_FILE, 0.7), (IMAGES_FILE, 0.7)])
def test_a_recording_cut_short_is_replayed_as_far_as_it_goes(
    session: Path, name: str, kept: float
) -> None:
    data = (session / name).read_bytes()
    (session / name).write_bytes(data[: int(kept * len(data))])
    report = replay(session, Echo, "")
    assert 2 <= report.ticks < 6
    assert report.recorded_ticks == (6 if name == IMAGES_FILE else report.ticks)
    assert report.differences == ()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("width", 128, "rgb: width was 128, is 64"), ("fov", 65.0, "rgb: fov was 65.0, is 90.0"),
     ("id", "front", "the agent does not want front; rgb was not recorded")],
)  # fmt: skip
def test_a_session_of_another_rig_names_what_differs_and_the_fix(
    session: Path, key: str, value: object, said: str
) -> None:
    content = json.loads((session / HEADER_FILE).read_text())
    content["specs"][0][key] = value
    (session / HEADER_FILE).write_text(json.dumps(content))
    with pytest.raises(SessionError, match=rf"\({said}\): replay a checkpoint of the recorded"):
        replay(session, Echo, "")


def test_an_agent_that_cannot_be_set_up_is_named(session: Path) -> None:
    class Picky(Echo):
        def setup(self, config: str) -> None:
            raise ValueError("there is no such directory")

    with pytest.raises(SessionError, match="set up with 'nano': ValueError: there is no such"):
        replay(session, Picky, "nano")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (HEADER_FILE, b"{", "holds no session"),
        (HEADER_FILE, b"[]", "holds no session"),
        (HEADER_FILE, b'{"format": 99}', "format 99, this program reads 1; record it anew"),
        (TICKS_FILE, b"\x01\x02", "damaged"),
        (TICKS_FILE, b"", "holds no tick"),
        (IMAGES_FILE, b"no video", "damaged|holds no tick"),
    ],
)
def test_damaged_sessions_are_named(session: Path, name: str, content: bytes, message: str) -> None:
    (session / name).write_bytes(content)
    with pytest.raises(SessionError, match=message):
        replay(session, Echo, "")


def test_a_folder_without_a_session_is_named(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="drive --record-inputs writes one"):
        replay(tmp_path, Echo, "")
