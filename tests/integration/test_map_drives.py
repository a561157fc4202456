"""Maps of others: every one drives, or is refused by name; at red lights the expert stops.

OPENDRIVE_MAPS names folders of .xodr files, parted as PATH is: for instance the resources of
esmini and the assets of Scenic.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.integration.map_drives import drive_map, maps_of

FOLDERS = [Path(part) for part in os.environ.get("OPENDRIVE_MAPS", "").split(os.pathsep) if part]


@pytest.mark.slow
@pytest.mark.parametrize("path", maps_of(FOLDERS), ids=lambda path: path.stem)
def test_a_map_is_driven_or_refused_by_name(path: Path, tmp_path: Path) -> None:
    outcome = drive_map(path, tmp_path)
    assert outcome.is_right, outcome
    if outcome.result == "refused":
        assert path.name in outcome.detail


@pytest.mark.skipif(not FOLDERS, reason="needs folders of .xodr files in OPENDRIVE_MAPS")
def test_the_folders_hold_maps() -> None:
    assert maps_of(FOLDERS)
