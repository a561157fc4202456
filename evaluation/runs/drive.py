"""Drives routes with an agent: jobs for the workers, the ledger, the results file, a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial

from rich.console import Console

from evaluation.closed_loop.failure import ROUTE_INVALID, Blame, Failure
from evaluation.runs.cluster import Cluster, run_anywhere
from evaluation.runs.conditions import require_same, run_conditions
from evaluation.runs.job import Job, JobResult, Json, plain
from evaluation.runs.leaderboard_file import Results, read_foreign
from evaluation.runs.ledger import LEDGER_FILE, Ledger, open_ledger, read_ledger
from evaluation.runs.official_worker import OfficialWorker
from evaluation.runs.plan import DEMO_ROUTES, Plan, make_plan, not_acted_out
from evaluation.runs.results_table import print_table
from evaluation.runs.route_progress import ProgressBars
from evaluation.runs.run_progress import RunProgress
from evaluation.runs.settings import DriveError, DriveSettings
from evaluation.runs.worker import RouteWorker, WorkerFactory, unscored
from evaluation.runs.worker_process import WorkerSettings
from evaluation.runs.workers import Ready, next_log_number
from model.conditions import text_digest

RESULTS_FILE = "results.json"


def drive(settings: DriveSettings, console: Console, factory: WorkerFactory | None = None) -> int:
    """Drives all routes that are not finished yet; returns the exit code, 0 if none failed.
    factory: of the workers, None for those that the settings ask for.

    Raises UserError when it cannot begin; nothing that the folder held is changed then. On Ctrl-C
    the finished routes are in the ledger and in the results file already.
    """
    settings.check()
    plan = make_plan(settings)
    conditions = run_conditions(plan.jobs[0])
    with open_ledger(settings.out) as ledger:
        foreign: list[JobResult] = []
        if settings.resume:
            if not ledger.path.exists():
                foreign = read_foreign(settings.out / RESULTS_FILE)
            _require_known(foreign, plan, settings)
            require_same(ledger, conditions, dict(plan.conditions))
        run = _Run(
            settings, console, plan, ledger, conditions, foreign, factory or _factory(settings)
        )
        return run.drive()


def show_plan(settings: DriveSettings, console: Console) -> int:
    """Says what `drive` would do and what is finished already; starts and writes nothing. Returns
    the exit code 0; raises UserError for what `drive` would."""
    settings.check()
    plan = make_plan(settings)
    ledger = read_ledger(settings.out / LEDGER_FILE, repair=False)
    require_same(ledger, run_conditions(plan.jobs[0]), dict(plan.conditions))
    left = 0
    for job in plan.jobs:
        entry = ledger.finished.get(job.name)
        if entry is None:
            left += 1
            why = plan.unknown.get(job.name)
            state = f"cannot be driven: {why}" if why else f"to drive, seed {job.seed}"
        else:
            score = entry.result.record["scores"]["score_composed"]
            state = f"finished: {entry.result.status}, score {score:.2f}"
        console.print(f"{job.name} in {job.route.town}: {state}", highlight=False, soft_wrap=True)
    finished = len(plan.jobs) - left
    console.print(
        f"{left} of {len(plan.jobs)} routes to drive with {min(settings.workers, max(left, 1))} "
        f"workers on {settings.simulator or 'embedded simulators'}; {finished} finished already in "
        f"{settings.out}",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _require_known(foreign: Sequence[JobResult], plan: Plan, settings: DriveSettings) -> None:
    strangers = [one.name for one in foreign if one.name not in plan.conditions]
    if strangers:
        raise DriveError(
            f"{settings.out / RESULTS_FILE} has results of {strangers[0]}, which is not among the "
            "routes to drive; resume with the same routes, or choose another --out"
        )


@dataclass
class _Run:
    """One call of `drive`. foreign: results that are taken over from a file of another program."""

    settings: DriveSettings
    console: Console
    plan: Plan
    ledger: Ledger
    conditions: Json
    foreign: Sequence[JobResult]
    factory: WorkerFactory
    begun: bool = False

    def drive(self) -> int:
        again = {job.name for job in self.plan.jobs if job.route.route_id in self.settings.again}
        kept = {} if not self.settings.resume else dict(self.ledger.finished)
        taken_over = [one.name for one in self.foreign if one.is_finished]
        done = {name for name in (*kept, *taken_over) if name not in again}
        self._tell_what_is_kept(kept, done)
        warning = not_acted_out(self.plan)
        if warning:
            self.console.print(warning, style="yellow", soft_wrap=True)
        invalid = [job for job in self.plan.jobs if job.name in self.plan.unknown]
        left = [job for job in self.plan.jobs if job.name not in done and job not in invalid]
        jobs = {job.name: job for job in self.plan.jobs}
        if not left or invalid:
            self._begin(again)
        for job in invalid:
            if job.name not in done:
                self._take(_unknown_town(job, self.plan.unknown[job.name]))
        self._drive(left, jobs, again)
        results = self._results()
        print_table(self.console, results)
        if not results.finished:
            self.console.print("[red]Too many failures in a row: given up.[/red]")
        return int(any(record.failed for record in results.records) or not results.finished)

    def _drive(self, left: Sequence[Job], jobs: Mapping[str, Job], again: Collection[str]) -> None:
        """What is left, each result in the ledger as soon as it is there."""
        progress, last = RunProgress(len(jobs), self._finished()), ""
        with (
            ProgressBars(self.console, len(jobs), len(jobs) - len(left)) as bars,
            closing(
                run_anywhere(
                    left, self._workers(len(left)), self._cluster(left), bars.begin, bars.show
                )
            ) as events,
        ):
            for event in events:
                if not self.begun:
                    self._begin(again)
                if isinstance(event, Ready):
                    drawn = f", drawn by {event.renderer}" if event.renderer else ""
                    said = f"Town {event.town}{drawn}"
                    if said != last:
                        self.console.print(said, highlight=False)
                    last = said
                    continue
                bars.end(jobs[event.name])
                self._take(event)
                progress.add(event)
                bars.tell(progress.text())

    def _cluster(self, jobs: Sequence[Job]) -> Cluster | None:
        if self.settings.cluster is None:
            return None
        released = Counter(one.result.name for one in self.ledger.entries if one.released)
        keys = {
            job.name: text_digest(
                repr((self.conditions, self.plan.conditions[job.name], released[job.name]))
            )
            for job in jobs
        }
        return Cluster(self.settings.cluster, keys, self.settings.out)

    def _finished(self) -> Sequence[JobResult]:
        return [one.result for one in self.ledger.finished.values()] if self.settings.resume else []

    def _workers(self, routes: int) -> WorkerSettings:
        settings = self.settings
        return WorkerSettings(
            min(settings.workers, max(routes, 1)),
            settings.logs,
            settings.limits,
            number=next_log_number(settings.logs),
            factory=self.factory,
            port=settings.port,
            retry_agent=settings.retry_agent,
        )

    def _tell_what_is_kept(self, kept: Mapping[str, object], done: set[str]) -> None:
        if done:
            self.console.print(f"{len(done)} of {len(self.plan.jobs)} routes are finished already")
        if self.foreign:
            self.console.print(
                f"{len(self.foreign)} of them are taken from {RESULTS_FILE}, which does not tell "
                "under which conditions they were driven"
            )
        ours = [
            entry.result
            for entry in self.ledger.finished.values()
            if entry.result.name in kept
            and entry.result.name in done
            and entry.result.failure is not None
            and entry.result.failure.blame is Blame.EVALUATION
        ]
        for result in ours:
            self.console.print(
                f"{result.name} failed by an error of the evaluation and is not driven again; "
                f"--again {result.record['route_id'].split('_')[1]} does it",
                style="yellow",
                highlight=False,
            )

    def _begin(self, again: Collection[str]) -> None:
        """From here on the folder is this run's."""
        if self.begun:
            return
        self.begun = True
        if not self.settings.resume:
            self.ledger.set_aside()
        self.ledger.begin(
            plain(
                {
                    "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    "conditions": self.conditions,
                    "limits_s": vars(self.settings.limits),
                    "workers": self.settings.workers,
                    "routes": self.settings.routes or DEMO_ROUTES,
                    "total": len(self.plan.jobs),
                }
            )
        )
        self.ledger.release(again)
        for result in self.foreign:
            if result.name not in again:
                self.ledger.add(result)
        self._write()

    def _take(self, result: JobResult) -> None:
        self.ledger.add(result, self.plan.conditions[result.name])
        self._write()
        failure = result.failure
        if failure is None:
            return
        retried = "" if result.is_last else ", it is tried again"
        said = f"{result.name}: {result.status} ({failure.blame.value}){retried}: {failure.what}"
        self.console.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
        if failure.trace:
            self.console.print(failure.trace, markup=False, highlight=False, soft_wrap=True)

    def _results(self) -> Results:
        results = Results(
            self.settings.out / RESULTS_FILE,
            len(self.plan.jobs),
            {**self.ledger.runs[-1], "rules": self.settings.rules_text},
        )
        for name, entry in self.ledger.latest.items():
            if name in self.plan.conditions:
                results.add(entry.result)
        return results

    def _write(self) -> None:
        self._results().write()


def _factory(settings: DriveSettings) -> WorkerFactory:
    if settings.official is not None:
        return OfficialWorker
    return partial(RouteWorker, recycle_after=settings.recycle_after)


def _unknown_town(job: Job, problem: str) -> JobResult:
    return unscored(job, Failure(Blame.ROUTE, ROUTE_INVALID, problem))
