"""The table of calls in the README of the calls: run this module to write it anew."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path

from evaluation.simulator.calls.call import Call
from evaluation.simulator.calls.table import CALLS

README = Path(__file__).parents[4] / "evaluation/simulator/calls/README.md"
START, END = "<!-- calls -->\n", "<!-- end of calls -->\n"


def render() -> str:
    """Return the table: name, what becomes of the call, and what it does."""
    lines = ["| call | what becomes of it | what it does |", "|---|---|---|"]
    for name, call in sorted(CALLS.items()):
        lines.append(f"| `{name}` | {call.effect.value} | {_first_line(call)} |")
    return "\n".join(lines) + "\n"


def counts() -> str:
    """Return how many calls there are of each kind."""
    effects = [call.effect for call in CALLS.values()]
    parts = [f"{effects.count(effect)} {effect.value}" for effect in dict.fromkeys(effects)]
    return f"{len(CALLS)} calls: {', '.join(sorted(parts))}.\n"


def table_of(readme: str) -> str:
    """Return the part of the README that is generated."""
    return readme.split(START)[1].split(END)[0]


def _first_line(call: Call) -> str:
    function = call.function.func if isinstance(call.function, partial) else call.function
    text = inspect.getdoc(function) or ""
    return text.partition("\n\n")[0].replace("\n", " ").replace("|", "or")


if __name__ == "__main__":
    before, rest = README.read_text(encoding="utf-8").split(START)
    after = rest.split(END)[1]
    body = counts() + "\n" + render()
    README.write_text(before + START + body + END + after, encoding="utf-8")
