"""The windowed PID against numbers worked out by hand."""

from __future__ import annotations

import pytest

from planner.pid import Pid, PidGains


def test_against_hand_computed_outputs() -> None:
    pid = Pid(PidGains(proportional=2.0, integral=0.5, derivative=3.0, window_ticks=2))
    # 2*1 + 0.5*1; 2*2 + 0.5*1.5 + 3*1; 2*-1 + 0.5*0.5 + 3*-3 (the first error has left the window)
    assert [pid.step(error) for error in (1.0, 2.0, -1.0)] == pytest.approx([2.5, 7.75, -10.75])


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="window_ticks"):
        Pid(PidGains(1.0, 1.0, 1.0, 0))
