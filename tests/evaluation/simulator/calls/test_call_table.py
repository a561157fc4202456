"""The README of the calls says of every call what becomes of it."""

from __future__ import annotations

from evaluation.simulator.calls.call import Effect
from evaluation.simulator.calls.table import CALLS
from tests.evaluation.simulator.calls.call_table import README, counts, render, table_of


def test_readme_is_up_to_date() -> None:
    table = table_of(README.read_text(encoding="utf-8"))
    assert table == counts() + "\n" + render(), "run python -m " + render.__module__


def test_every_call_says_what_it_does() -> None:
    assert {call.effect for call in CALLS.values()} == set(Effect)
    for line in render().splitlines()[2:]:
        name, effect, text = (part.strip() for part in line.strip("|").split("|"))
        assert text.endswith("."), (name, effect)
