"""The order in which several processes take the files of a test run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest


def long_files_first(
    items: Iterable[pytest.Item], slow: Sequence[pytest.Item]
) -> list[pytest.Item]:
    """Files with ``slow`` tests first, then those with many tests; the order within a file stays.

    pytest-xdist by itself begins the files with the fewest tests last: often whole drives, at the
    end of which the other processes have nothing left to do.
    """
    counted = list(items)
    slow_tests: Counter[Path] = Counter(item.path for item in slow)
    tests: Counter[Path] = Counter(item.path for item in counted)
    return sorted(counted, key=lambda item: (-slow_tests[item.path], -tests[item.path]))
