"""Reads OpenDRIVE as anybody writes it: for the simulator, for routes and for carla.Map.

One document is read once, from bytes in the encoding that it declares, with or without namespace.
What carla.Map cannot take is mended where the meaning is plain, and refused otherwise (see
`wheel_limits`): nothing else hands a user's text to carla.Map.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from evaluation.simulator.town import wheel_limits
from evaluation.simulator.town.opendrive_records import (
    CrosswalkRecord,
    OpenDriveError,
    RoadRecord,
    SignalRecord,
    read_controllers,
    read_crosswalks,
    read_roads,
    read_signals,
)

_DECLARED_UTF8 = re.compile(rb"^\s*<\?xml[^>]*encoding=[\"']utf-8[\"']", re.IGNORECASE)
_DECLARED = re.compile(rb"^\s*<\?xml[^>]*encoding=")


@dataclass(frozen=True)
class OpenDriveFile:
    """A document as the whole product sees it.

    Attributes:
        text: for carla.Map and for clients; as it was read where nothing had to be mended.
        controllers: signals of each junction: one tuple of signal ids per phase, in sequence.
        notices: what was mended or left out, each with the element it concerns.
    """

    text: str
    roads: tuple[RoadRecord, ...]
    signals: tuple[SignalRecord, ...]
    crosswalks: tuple[CrosswalkRecord, ...]
    controllers: Mapping[int, tuple[tuple[str, ...], ...]]
    notices: tuple[str, ...]


def read_opendrive_file(path: Path) -> OpenDriveFile:
    """Read a file.

    Raises:
        OpenDriveError: it cannot be read, or carla.Map cannot take it; the message names the file,
            the road and the reason.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OpenDriveError(f"{path}: cannot be read ({error.strerror})") from error
    return read_opendrive(data, str(path))


def read_opendrive(data: bytes, source: str) -> OpenDriveFile:
    """Read a document; `source` names it in errors.

    Raises:
        OpenDriveError: as for a file.
    """
    try:
        root = _parse(data)
        notices = wheel_limits.mend(root)
        text = _text_of(data, root, changed=bool(notices))
        roads = read_roads(root)
        wheel_limits.check(root, roads)
        signals = read_signals(root)
        return OpenDriveFile(
            text, roads, signals, read_crosswalks(root), read_controllers(root), notices
        )
    except OpenDriveError as error:
        raise OpenDriveError(f"{source}: {error}") from error


def roads_of(opendrive: str) -> tuple[RoadRecord, ...]:
    """Roads of a text that carla.Map has loaded already, a server's for instance.

    Raises:
        OpenDriveError: ids or numbers that cannot be read.
    """
    return read_roads(_parse(opendrive))


def _parse(data: bytes | str) -> Element:
    """The <OpenDRIVE> element without namespaces. External entities are never read: the parser of
    the standard library has no access to them."""
    if not data.strip():
        raise OpenDriveError("the file is empty")
    try:
        root = ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise OpenDriveError(f"not valid XML ({error})") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if name.startswith("{")]:
            del element.attrib[name]
    if root.tag != "OpenDRIVE":
        raise OpenDriveError(f"expected an <OpenDRIVE> document, got <{root.tag}>")
    if root.find("road") is None:
        raise OpenDriveError("has no <road>")
    return root


def _text_of(data: bytes, root: Element, changed: bool) -> str:
    """The document as it came where carla.Map, which knows UTF-8 only, can read it so."""
    is_utf8 = _DECLARED_UTF8.match(data) is not None or _DECLARED.match(data) is None
    if is_utf8 and not changed and b":OpenDRIVE" not in data:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass  # UTF-16 needs no declaration: its byte order mark told the parser.
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode")
