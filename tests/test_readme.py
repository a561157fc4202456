"""Every command that the README quotes is one that the programs understand."""

from __future__ import annotations

import argparse
import configparser
import importlib
import importlib.util
import itertools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose, initialize_config_dir

from evaluation.__main__ import build_parser
from model.training.settings import from_hydra
from tests.shapes import PACKAGES, PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((PROJECT / "docker").rglob("README.md")),
    *sorted(page for package in PACKAGES for page in (PROJECT / package).rglob("README.md")),
]
"""Pages whose commands are held to the programs."""
ASSIGNMENT = re.compile(r"(?:export )?(\w+)=(\S*|\".*\")$")
LOOP = re.compile(r"for (\w+) in (\S+).*; do$")
VARIABLE = re.compile(r"\$\{?(\w+)\}?")
MARKS = ("GPU", "network", "CARLA", "docker", "buildah")
"""What a command needs that no test has: said in its line, or in the paragraph before its block."""
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(PROJECT / "setup.cfg")


class Block(NamedTuple):
    """A code block of a page. before: the paragraph that leads to it."""

    page: Path
    before: str
    text: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        parts = re.split(
            r"^ *```(\w*)\n(.*?)^ *```", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for before, language, text in zip(parts[::3], parts[1::3], parts[2::3], strict=False):
            if language == "bash":
                found.append(Block(page, before.rstrip().rpartition("\n\n")[2], text))
    return found


def lines(block: str) -> Iterator[str]:
    """The commands of a block, with what a loop or an assignment before them gave to variables."""
    values: dict[str, str] = {}
    for line in block.replace("\\\n", " ").splitlines():
        filled = VARIABLE.sub(lambda match: values.get(match[1], match[0]), line.strip())
        if assigned := ASSIGNMENT.match(filled) or LOOP.match(filled):
            values[assigned[1]] = assigned[2].strip('"')
        elif filled != "done":
            yield filled


def words_of(line: str) -> list[str]:
    """The words of a command, without variables that are set for it."""
    return [*itertools.dropwhile(ASSIGNMENT.match, shlex.split(line, comments=True))]


COMMANDS_OF_BLOCKS = [
    words for block in blocks() for line in lines(block.text) if (words := words_of(line))
]


def mentioned() -> list[list[str]]:
    """The words of every command between backticks, which may leave out what it needs."""
    texts = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return [shlex.split(line) for line in re.findall(r"`((?:make|python -m) [^`\n]+)`", texts)]


def commands(*start: str) -> list[list[str]]:
    """What follows `start` in the commands of blocks that begin so."""
    found = [
        words[len(start) :] for words in COMMANDS_OF_BLOCKS if tuple(words[: len(start)]) == start
    ]
    assert found, f"no page quotes a command {' '.join(start)}"
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


HELD_ELSEWHERE = ("evaluation", "model.training", "tests.benchmarks.NAME", "pip")
OTHERS = [words for words in commands("python", "-m") if words[0] not in HELD_ELSEWHERE]


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


@pytest.mark.parametrize("words", mentioned(), ids=" ".join)
def test_what_is_mentioned_exists(words: list[str]) -> None:
    if words[0] == "make":
        test_make_has_the_target(words[1:])
        return
    _, _, module, *arguments = words
    assert module.endswith(".NAME") or importlib.util.find_spec(module) is not None
    if module == "evaluation" and arguments:
        parser = verbs()[arguments[0]]
        options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
        assert set(options) <= parser._option_string_actions.keys()


def verbs() -> dict[str, argparse.ArgumentParser]:
    """The parsers of `python -m evaluation`."""
    (action,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return {**action.choices}


@pytest.mark.parametrize("words", commands("make"), ids=" ".join)
def test_make_has_the_target(words: list[str]) -> None:
    for word in words:
        variable, equals, _ = word.partition("=")
        pattern = rf"^{variable} *[?:]?=" if equals else rf"^{word}:"
        assert re.search(pattern, MAKEFILE, flags=re.MULTILINE), word


def test_every_command_is_held_to_its_program_or_marked() -> None:
    for block in blocks():
        for line in lines(block.text):
            words = words_of(line)
            if not words or words[:2] == ["python", "-m"] or words[0] in ("make", "pip"):
                continue
            told = block.before + line
            assert any(mark in told for mark in MARKS), f"{block.page}: what does {line} need?"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_extras_that_are_named_exist(page: Path) -> None:
    extras = SETUP["options.extras_require"]
    for names in re.findall(r"(?:simlingo-carla|-e '\.)\[([\w,]+)\]", page.read_text("utf-8")):
        assert set(names.split(",")) <= extras.keys(), names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#\S*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_the_first_commands_of_the_readme_run_in_ci(file: str) -> None:
    first_block = README.split("```bash\n")[1].split("```")[0]
    targets = re.findall(r"^make ([a-z]+)", first_block, flags=re.MULTILINE)
    assert targets == ["drive", "test"]
    run = re.findall(r"\bmake ([a-z ]+)", (PROJECT / file).read_text(encoding="utf-8"))
    assert set(targets) <= set(" ".join(run).split())
