"""How far a route is: told from inside the loop, shown by the process above."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from evaluation.closed_loop.episode import Observer, Step
from evaluation.closed_loop.pulse import Pulse, Reading
from evaluation.closed_loop.route_scenario import RouteScenario
from evaluation.closed_loop.sensor_interface import Spec
from evaluation.runs.job import Job
from evaluation.scoring.penalty import Rules, score

EVERY_TICKS = 10
LINE_EVERY_S = 10.0
"""Game time between two plain lines where there is no terminal."""


class RouteProgress(Observer):
    """Shows completion, penalty, time and speed in a pulse."""

    def __init__(self, pulse: Pulse, rules: Rules) -> None:
        self._pulse = pulse
        self._rules = rules
        self._ticks = 0

    def begin(self, scenario: RouteScenario, specs: Sequence[Spec]) -> None:
        self._ticks = 0
        self._pulse.show(0.0, 1.0, 0.0, 0.0)

    def step(self, step: Step) -> None:
        self._ticks += 1
        if self._ticks % EVERY_TICKS:
            return
        penalty = score(step.completion_percent, step.infractions, self._rules)["score_penalty"]
        tick = step.tick
        self._pulse.show(step.completion_percent, penalty, tick.time_s, tick.speed_mps)


class ProgressBars:
    """A bar for each route under way; plain lines where there is no terminal.

    Use as a context manager around all routes.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self._console = console
        self._total = total
        self._number = done
        self._tasks: dict[str, TaskID] = {}
        self._lines_s: dict[str, float] = {}
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>5.1f} %"),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._run: TaskID | None = None

    def __enter__(self) -> ProgressBars:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, job: Job) -> None:
        self._number += 1
        title = f"Route {job.route.route_id} ({min(self._number, self._total)}/{self._total})"
        self._tasks[job.name] = self._bar.add_task(title, total=100.0, state="starting")
        self._lines_s[job.name] = 0.0
        if self._bar.disable:
            self._console.print(f"{title} in {job.route.town}", highlight=False)

    def show(self, job: Job, reading: Reading) -> None:
        if job.name not in self._tasks:
            return
        state = (
            f"{reading.game_s:5.1f} s  {reading.speed_mps:4.1f} m/s  penalty {reading.penalty:.2f}"
        )
        self._bar.update(self._tasks[job.name], completed=reading.completion_percent, state=state)
        due = reading.game_s - self._lines_s[job.name] >= LINE_EVERY_S
        if self._bar.disable and due:
            self._lines_s[job.name] = reading.game_s
            self._console.print(
                f"  route {job.route.route_id}: {reading.completion_percent:5.1f} %  {state}",
                highlight=False,
            )

    def tell(self, text: str) -> None:
        """How far the run as a whole is; nothing where it is a single route."""
        if self._total == 1:
            return
        if self._bar.disable:
            self._console.print(text, highlight=False, soft_wrap=True)
        elif self._run is None:
            self._run = self._bar.add_task(text, total=None, state="")
        else:
            self._bar.update(self._run, description=text)

    def end(self, job: Job) -> None:
        task = self._tasks.pop(job.name, None)
        if task is not None:
            self._bar.remove_task(task)
