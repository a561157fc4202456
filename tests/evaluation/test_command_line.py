"""The command line as a whole: its output cut off, its names."""

from __future__ import annotations

import io
import os
import sys

import pytest

from evaluation import __main__ as program
from evaluation.commands import maps
from tests.shapes import PROJECT


def lose_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output goes to a pipe whose reader has gone, as after `| head`."""
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(os.fdopen(writer, "wb")))


@pytest.mark.parametrize("verb", sorted(program.COMMANDS))
def test_a_reader_that_goes_ends_every_verb_quietly(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_reader(monkeypatch)
    assert program.main([verb, "--help"]) == program.NOBODY_READS
    sys.stdout.close()


def test_a_connection_that_breaks_is_no_reader_that_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_connection(parsed: object) -> int:
        raise BrokenPipeError("the simulator's socket")

    monkeypatch.setattr(maps, "run", lose_connection)
    with pytest.raises(BrokenPipeError, match="socket"):
        program.main(["maps", "x.xodr"])


def test_the_console_script_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert program.build_parser().prog == "python -m evaluation"
    monkeypatch.setattr(sys, "argv", [f"/venv/bin/{program.SCRIPT}"])
    assert program.build_parser().prog == program.SCRIPT
    setup = (PROJECT / "setup.cfg").read_text()
    assert f"{program.SCRIPT} = evaluation.__main__:main" in setup
