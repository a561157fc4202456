"""Values of arguments that several verbs take."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.__main__ import build_parser
from evaluation.commands.arguments import SHIPPED_AGENTS


@pytest.mark.parametrize("name", SHIPPED_AGENTS)
@pytest.mark.parametrize("verb", ["drive", "leaderboard", "replay session"])
def test_agents_that_come_with_the_program_are_found_from_anywhere(
    name: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agent = build_parser().parse_args([*verb.split(), "--agent", name]).agent
    assert agent.is_file()
    assert agent.name == f"{name}_agent.py"


def test_a_file_in_the_working_folder_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("expert").write_text("")
    assert build_parser().parse_args(["drive", "--agent", "expert"]).agent == Path("expert")
    assert build_parser().parse_args(["drive", "--agent", "my.py"]).agent == Path("my.py")
