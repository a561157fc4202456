"""PID control over a sliding window of errors."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class PidGains:
    """Gains of a PID controller.

    Attributes:
        proportional: per unit of error.
        integral: per unit of the mean error over the window.
        derivative: per unit of change between two ticks.
        window_ticks: length of the window the mean is taken over.
    """

    proportional: float
    integral: float
    derivative: float
    window_ticks: int


@dataclass(frozen=True)
class PidTerms:
    """One step of a PID controller, for those who watch: the error and what each gain made of it,
    in units of the output."""

    error: float
    proportional: float
    integral: float
    derivative: float

    @property
    def output(self) -> float:
        """Their sum, before anything is clipped."""
        return self.proportional + self.integral + self.derivative


class Pid:
    """Weighted sum of the present error, its windowed mean and its last change.

    Attributes:
        terms: of the last step; None before the first.
    """

    def __init__(self, gains: PidGains) -> None:
        if gains.window_ticks < 1:
            raise ValueError(f"window_ticks must be at least 1, got {gains.window_ticks}")
        self.terms: PidTerms | None = None
        self._gains = gains
        self._errors: deque[float] = deque(maxlen=gains.window_ticks)
        self._previous: float | None = None

    def step(self, error: float) -> float:
        """Control output for a finite error; the first call has no derivative."""
        change = 0.0 if self._previous is None else error - self._previous
        self._previous = error
        self._errors.append(error)
        mean = sum(self._errors) / len(self._errors)
        gains = self._gains
        self.terms = PidTerms(
            error, gains.proportional * error, gains.integral * mean, gains.derivative * change
        )
        return self.terms.output
