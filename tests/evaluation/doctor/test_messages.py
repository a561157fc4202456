"""The troubleshooting page quotes messages that the programs give."""

from __future__ import annotations

import ast
import re

import pytest

from tests.shapes import PACKAGES, PROJECT

PAGE = (PROJECT / "evaluation/doctor/README.md").read_text(encoding="utf-8")
OURS = PAGE.partition("## By error message")[2].partition("Messages of other programs")[0]
MESSAGES = [
    message
    for row in re.findall(r"^\| (.*?) \|", OURS, flags=re.MULTILINE)
    for message in re.findall(r"`([^`]+)`", row)
    if not message.startswith("--")
]


def texts() -> str:
    """Every text in the sources, with a blank where something is filled in."""
    found = []
    for package in PACKAGES:
        for file in (PROJECT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [
                        part.value if isinstance(part, ast.Constant) else " "
                        for part in node.values
                    ]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(found)


@pytest.fixture(scope="module")
def sources() -> str:
    return texts()


@pytest.mark.parametrize("message", MESSAGES)
def test_a_program_of_ours_says_so(message: str, sources: str) -> None:
    for part in message.split("..."):
        assert part.strip() in sources


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 20
