"""The tests stand where the code stands, and the folders' READMEs name every folder."""

from __future__ import annotations

import re

import pytest

from tests.shapes import PACKAGES, PROJECT

TESTED = sorted(
    path.parent.relative_to(PROJECT / "tests")
    for package in PACKAGES
    for path in (PROJECT / "tests" / package).rglob("__init__.py")
)


@pytest.mark.parametrize("folder", TESTED, ids=str)
def test_each_folder_of_tests_has_its_folder_of_code(folder: str) -> None:
    assert (PROJECT / folder).is_dir()


@pytest.mark.parametrize("folder", ["evaluation", "evaluation/simulator"])
def test_the_table_of_layers_names_every_folder_and_no_other(folder: str) -> None:
    readme = (PROJECT / folder / "README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| .*?\|", readme, flags=re.MULTILINE))
    named = {name for cell in told for name in re.findall(r"`(\w+)/`", cell)}
    there = {path.parent.name for path in (PROJECT / folder).glob("*/__init__.py")}
    assert named == there
