"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.scoring.penalty import Rules, score

EVERY_TICKS = 10
TICKS_PER_LINE = 200


class ProgressBar(Observer):
    """Completion, speed and score of the present route; plain lines where there is no terminal.

    Use as a context manager around all routes.
    """

    def __init__(self, console: Console, total: int, done: int, rules: Rules) -> None:
        self._console = console
        self._total = total
        self._number = done
        self._rules = rules
        self._ticks = 0
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> ProgressBar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._number += 1
        self._ticks = 0
        title = f"Route {scenario.route.route_id} ({self._number}/{self._total})"
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(title, total=100.0, state="")
        if self._bar.disable:
            self._console.print(
                f"{title}: {scenario.dense.length_m:.0f} m in {scenario.route.town}"
            )

    def step(self, step: Step) -> None:
        self._ticks += 1
        if self._task is None or self._ticks % EVERY_TICKS:
            return
        now = score(step.completion_percent, step.infractions, self._rules)
        state = (
            f"{step.tick.time_s:5.1f} s  {step.tick.speed_mps:4.1f} m/s  "
            f"penalty {now['score_penalty']:.2f}"
        )
        self._bar.update(self._task, completed=step.completion_percent, state=state)
        if self._bar.disable and self._ticks % TICKS_PER_LINE == 0:
            self._console.print(f"  {step.completion_percent:5.1f} %  {state}")
