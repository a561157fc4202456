"""Shared test set-up: one CPU thread, checked shapes, the same examples every time, slow tests on
request."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

from tests.examples import load_profile
from tests.order import long_files_first
from tests.shapes import modules_with_shapes

# Two torch threads collapse beside a simulator on two cores, and so do BLAS pools.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# CUDA builds of torch bring triton, which has an LLVM of its own. Loaded after the one of Mesa's
# software renderer it crashes the process; before it, both work.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401


# Every module with shape annotations has them checked at each call, its other types too.
install_import_hook(modules_with_shapes(), "beartype.beartype")


@pytest.fixture(autouse=True)
def _same_import_path() -> Iterator[None]:
    """Loading an agent puts its folder on sys.path, which child processes inherit."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run tests marked slow")
    parser.addoption(
        "--slow-in",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="also run those tests marked slow that lie in PATH; may be given several times",
    )
    parser.addoption(
        "--search",
        type=int,
        default=1,
        metavar="N",
        help="let property tests draw N times as many examples, at random",
    )


def pytest_configure(config: pytest.Config) -> None:
    load_profile(config.getoption("--search"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="takes more than ten seconds: make test TEST_ARGS=--slow")
    wanted = [config.rootpath / path for path in config.getoption("--slow-in")]
    slow = [item for item in items if "slow" in item.keywords]
    running = [
        item
        for item in slow
        if config.getoption("--slow") or any(map(item.path.is_relative_to, wanted))
    ]
    for item in slow:
        if item not in running:
            item.add_marker(skip)
    if hasattr(config, "workerinput"):  # one of pytest-xdist's processes
        items[:] = long_files_first(items, running)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many tests were skipped for each reason; the reason says how to run them."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    if not reasons:
        return
    terminalreporter.section("skipped, and how to run them")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:4d}  {reason}")
