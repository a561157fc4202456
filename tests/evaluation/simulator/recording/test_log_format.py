"""CARLA's recorder file: bytes as its reference has them, read back as they were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.simulator.recording.file_info import file_info
from evaluation.simulator.recording.log_file import LogFolder, LogReader
from evaluation.simulator.recording.log_format import (
    LAYOUTS,
    AddedActor,
    DamagedLogError,
    FrameStart,
    LogHeader,
    Packet,
    added_packet,
    frame_packet,
    header_bytes,
    packet,
    read_added,
    read_records,
    records_packet,
)
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Rotation, Transform, Vector3D
from evaluation.simulator.wire.errors import CallError

HEAD_BYTES = 5
SIZES = {
    Packet.EVENT_DEL: 4,
    Packet.EVENT_PARENT: 8,
    Packet.COLLISION: 14,
    Packet.POSITION: 28,
    Packet.STATE: 10,
    Packet.VEHICLE: 21,
    Packet.WALKER: 8,
    Packet.VEHICLE_LIGHT: 8,
    Packet.KINEMATICS: 28,
    Packet.BOUNDING_BOX: 28,
    Packet.TRIGGER_VOLUME: 28,
    Packet.LIGHT_TIME: 16,
}
"""Bytes of each record, counted from CARLA's reference of the format."""


def test_header_has_the_bytes_of_the_reference() -> None:
    written = header_bytes(LogHeader(1, "Town06"))
    assert written[:4] == b"\x01\x00\x0e\x00"
    assert written[4:18] == b"CARLA_RECORDER"
    assert written[18:26] == (1).to_bytes(8, "little")
    assert written[26:] == bytes.fromhex("06 00 54 6f 77 6e 30 36")


def test_destroyed_actors_have_the_bytes_of_the_reference() -> None:
    records = np.array([(100,), (101,), (120,)], LAYOUTS[Packet.EVENT_DEL])
    written = records_packet(Packet.EVENT_DEL, records)
    # The reference counts four fields of four bytes; its number of records has two of them.
    assert written == bytes.fromhex("03 0e000000 0300 64000000 65000000 78000000")


def test_frame_start() -> None:
    written = frame_packet(FrameStart(7, 0.05, 0.3))
    assert written[:HEAD_BYTES] == b"\x00\x18\x00\x00\x00"
    assert np.frombuffer(written[13:], "<f8").tolist() == [0.05, 0.3]


def test_records_have_the_sizes_of_the_reference() -> None:
    assert {kind: layout.itemsize for kind, layout in LAYOUTS.items()} == SIZES


numbers = st.floats(-8e3, 8e3, width=32)
texts = st.text(max_size=12)


@given(
    st.lists(
        st.builds(
            AddedActor,
            st.integers(0, 2**32 - 1),
            st.integers(0, 3),
            st.builds(
                Transform,
                st.builds(Vector3D, numbers, numbers, numbers),
                st.builds(Rotation, numbers, numbers, numbers),
            ),
            st.builds(
                Description,
                st.integers(0, 2**32 - 1),
                texts,
                st.tuples(st.builds(AttributeValue, texts, st.integers(0, 255), texts)),
            ),
        ),
        max_size=3,
    )
)
def test_added_actors_come_back(added: list[AddedActor]) -> None:
    for one, other in zip(read_added(added_packet(added)[HEAD_BYTES:]), added, strict=True):
        assert (one.actor_id, one.kind, one.description) == other[:2] + other[3:]
        np.testing.assert_allclose(one.transform.location, other.transform.location, atol=1e-3)
        np.testing.assert_allclose(one.transform.rotation, other.transform.rotation, atol=1e-6)


@given(st.binary(max_size=64), st.sampled_from(sorted(LAYOUTS)))
def test_no_content_is_read_beyond_its_end(content: bytes, kind: Packet) -> None:
    for read in (lambda: read_records(kind, content), lambda: read_added(content)):
        try:
            read()
        except DamagedLogError:
            continue


def recording(folder: Path, frames: int) -> Path:
    """Write a recording of empty frames."""
    parts = [header_bytes(LogHeader(0, "Town01"))]
    for number in range(1, frames + 1):
        parts += [frame_packet(FrameStart(number, 0.5, 0.5 * number)), packet(Packet.FRAME_END)]
    path = folder / "kept.log"
    path.write_bytes(b"".join(parts))
    return path


@pytest.mark.parametrize(("cut_bytes", "frames"), [(0, 3), (1, 2), (34, 2), (35, 1), (68, 1)])
def test_what_was_cut_off_ends_with_its_last_whole_frame(
    tmp_path: Path, cut_bytes: int, frames: int
) -> None:
    path = recording(tmp_path, 3)
    path.write_bytes(path.read_bytes()[: -cut_bytes or None])
    with LogReader(path) as reader:
        assert f"Frames: {frames}\n" in file_info(reader, show_all=True)


@pytest.mark.parametrize("content", [b"", b"\x01\x00", b"\x01\x00\x03\x00PNG" + bytes(40)])
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.log"
    path.write_bytes(content)
    with pytest.raises(DamagedLogError, match="not a CARLA recorder"):
        LogReader(path)


def test_a_packet_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = recording(tmp_path, 1)
    path.write_bytes(path.read_bytes() + b"\x00\xff\xff\xff\xff")
    with LogReader(path) as reader:
        assert reader.last_frame().number == 1


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "/etc/passwd", "a/b", ".a", "a\n", "a\0"])
def test_names_lead_nowhere_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(CallError, match="expected the name of a file"):
        LogFolder(tmp_path).path(name)


def test_a_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.log").symlink_to(target)
    with pytest.raises(CallError, match="cannot be written"):
        LogFolder(folder).create("a.log")
    with pytest.raises(CallError, match="cannot be read"):
        LogReader(folder / "a.log")
    assert target.read_bytes() == b"kept"


def test_without_a_folder_the_option_is_named() -> None:
    with pytest.raises(CallError, match="--recordings FOLDER"):
        LogFolder(None).path("a.log")
