"""What evaluators of 2021 miss on today's Python, given to their process from outside.

None of their files is changed: `install` is called in the process that then runs them
(`evaluation.official.launch`). Only what is missing is added, so on an older installation nothing
happens. Nothing but the standard library is imported here.

What needs no help any more: `distutils`, gone from Python 3.12, comes with setuptools, which
installs it under its old name; numpy's old aliases are not used by any of the evaluators.
"""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any


def install(checkout: Path | None = None) -> None:
    """Adds what this Python lacks, and was not added before. checkout: see `find_files_of`."""
    provide_pkg_resources()
    provide_getchildren()
    if checkout is not None:
        find_files_of(checkout)


def provide_pkg_resources() -> None:
    """setuptools 81 dropped pkg_resources. Leaderboard 2.0, 2.1 and Bench2Drive ask it for the
    version of carla, and for nothing else."""
    # What was given before has no spec, which `find_spec` takes for an error.
    if "pkg_resources" in sys.modules or importlib.util.find_spec("pkg_resources") is not None:
        return
    module = ModuleType("pkg_resources", "The part of pkg_resources that evaluators use.")
    module.get_distribution = distribution  # type: ignore[attr-defined]
    module.DistributionNotFound = PackageNotFoundError  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = module


class Element(ET.Element):
    """An element as it was before Python 3.9."""

    def getchildren(self) -> list[ET.Element]:
        return list(self)


class _XMLParser(ET.XMLParser):
    """The default parser of `ElementTree.parse`, which reads a file in one step; that gives a tree
    only if the target is of the library's own class, which therefore is not extended either."""

    def __init__(self, *, target: Any = None, encoding: str | None = None) -> None:
        if target is None:
            target = ET.TreeBuilder(element_factory=Element)
        super().__init__(target=target, encoding=encoding)


def provide_getchildren() -> None:
    """Python 3.9 dropped `Element.getchildren`, by which leaderboard 2.0, 2.1 and Bench2Drive read
    the scenarios of a route file. The class itself cannot be extended, since it is written in C; so
    reading a file builds elements of a class that has the method."""
    if hasattr(ET.Element, "getchildren"):
        return
    # mypy takes assigning to the names of a module's classes for a mistake.
    vars(ET).update(XMLParser=_XMLParser)


def find_files_of(checkout: Path) -> None:
    """Bench2Drive reads `leaderboard/data/weather.xml` from the working directory. The directory
    has to stay the user's, to which the paths in an agent's configuration refer; so a relative path
    of an XML file that is not found there is looked up in the checkout."""
    parse = ET.parse

    def parse_also_there(source: Any, parser: Any = None) -> Any:
        there = checkout / source if isinstance(source, str) else None
        if there is not None and there.is_file() and not Path(source).exists():
            source = there
        return parse(source, parser)

    vars(ET).update(parse=parse_also_there)
