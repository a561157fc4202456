"""A few kills at random moments; `python -m tests.integration.kills` does fifty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.kills import PROC, kill_a_run


@pytest.mark.slow
@pytest.mark.skipif(not PROC.is_dir(), reason="looks for processes in /proc")
def test_nothing_finished_is_lost_or_doubled(tmp_path: Path) -> None:
    tally = kill_a_run(tmp_path, routes=3, kills=4, seed=3)
    assert tally.count == 4
    assert tally.is_clean, tally
