"""Every command that the README quotes is one that the programs understand."""

from __future__ import annotations

import argparse
import importlib
import itertools
import re
import shlex
import sys

import pytest
from hydra import compose, initialize_config_dir

from evaluation.__main__ import build_parser
from model.training.settings import from_hydra
from tests.shapes import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    "agent/README.md",
    "evaluation/doctor/README.md",
    "evaluation/servers/README.md",
    "model/training/README.md",
)
"""Pages whose commands are held to the programs; what they need beyond that, a page says itself."""
ASSIGNMENT = re.compile(r"[A-Z_]+=")
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")


def quoted() -> list[list[str]]:
    """The words of every command in a code block or between backticks, without variables that are
    set for it."""
    text = "\n".join((PROJECT / page).read_text(encoding="utf-8") for page in PAGES)
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += re.findall(r"`((?:make|python -m) [^`\n]+)`", text)
    words = [shlex.split(line, comments=True) for line in lines]
    return [[*itertools.dropwhile(ASSIGNMENT.match, line)] for line in words]


def commands(*start: str) -> list[list[str]]:
    """What follows `start` in the commands that begin so."""
    found = [words[len(start) :] for words in quoted() if tuple(words[: len(start)]) == start]
    assert found, f"the README quotes no command {' '.join(start)}"
    return found


@pytest.mark.parametrize("words", commands("python", "-m", "evaluation"), ids=" ".join)
def test_evaluation_understands(words: list[str]) -> None:
    _, unknown = build_parser().parse_known_args(words)
    assert not unknown


@pytest.mark.parametrize("words", commands("python", "-m", "model.training"), ids=" ".join)
def test_training_understands(words: list[str]) -> None:
    folder = str(PROJECT / "model" / "training" / "config")
    with initialize_config_dir(folder, version_base="1.3"):
        assert from_hydra(compose("train", words))


OTHERS = [
    words
    for words in commands("python", "-m")
    if words[0] not in ("evaluation", "model.training", "tests.benchmarks.NAME")
]


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_other_programs_understand(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name, *arguments = words
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser: argparse.ArgumentParser) -> None:
        parse(parser)
        sys.exit(0)

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main()
    assert ended.value.code == 0


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_make_has_the_target(words: list[str]) -> None:
    for word in words:
        variable, equals, _ = word.partition("=")
        pattern = rf"^{variable} *[?:]?=" if equals else rf"^{word}:"
        assert re.search(pattern, MAKEFILE, flags=re.MULTILINE), word


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_the_first_commands_of_the_readme_run_in_ci(file: str) -> None:
    first_block = README.split("```bash\n")[1].split("```")[0]
    targets = re.findall(r"^make ([a-z]+)", first_block, flags=re.MULTILINE)
    assert targets == ["drive", "test"]
    run = re.findall(r"\bmake ([a-z ]+)", (PROJECT / file).read_text(encoding="utf-8"))
    assert set(targets) <= set(" ".join(run).split())
