"""The ledger of a folder: one line for each try of a route, appended and on the disk before the
next one is begun. Everything else that is written about a run is made from it.

ledger.jsonl holds JSON objects, one a line: `{"run": {...}}` for every time that the program was
started, with the conditions of all its routes, and `{"result": {...}}` for every route, with the
number of its run, the conditions of its own, and what came of it; `{"released": NAME}` takes a
finished route back. What a kill left of a last line
is cut off; a line that is damaged otherwise is an error. One process at a time writes to a folder.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evaluation.errors import MachineError, UserError
from evaluation.runs.job import JobResult, Json

LEDGER_FILE = "ledger.jsonl"
LOCK_FILE = ".lock"


class LedgerError(UserError, ValueError):
    """A ledger that cannot be gone on with; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """One route. run: index among the ledger's runs; conditions: of this route alone, None where
    they are not known (it was taken over from a file that does not tell); released: it does not
    count any more, because the route was to be driven again."""

    run: int
    result: JobResult
    conditions: Json | None = None
    released: bool = False


@dataclass
class Ledger:
    """path: the file; runs and entries: what it holds."""

    path: Path
    runs: list[Json] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    @property
    def latest(self) -> Mapping[str, Entry]:
        """The last word on every route that was driven, by name."""
        counting = [one for one in self.entries if one.result.is_last and not one.released]
        return {entry.result.name: entry for entry in counting}

    @property
    def finished(self) -> Mapping[str, Entry]:
        """Routes that need not be driven again."""
        return {name: one for name, one in self.latest.items() if one.result.is_finished}

    def begin(self, run: Json) -> None:
        """Notes a new start of the program; results that are added belong to it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._append({"run": run})
        self.runs.append(run)

    def add(self, result: JobResult, conditions: Json | None = None) -> None:
        """Appends a route; it is on the disk when this returns.

        Raises LedgerError for a route that is finished already, MachineError when it cannot be
        written.
        """
        if result.name in self.finished:
            raise LedgerError(f"{self.path}: {result.name} is finished already")
        entry = Entry(len(self.runs) - 1, result, conditions)
        self._append(
            {"result": result.to_json(), "run_number": entry.run, "conditions": conditions}
        )
        self.entries.append(entry)

    def release(self, names: Collection[str]) -> None:
        """Lets finished routes be driven once more; what they came to stays in the file."""
        for name in names:
            if name in self.finished:
                self._append({"released": name})
                self.take_back(name)

    def take_back(self, name: str) -> None:
        """What is known of a route does not count any more."""
        self.entries = [
            replace(one, released=True) if one.result.name == name else one for one in self.entries
        ]

    def set_aside(self) -> None:
        """Starts afresh: what the folder holds is kept under the next free number."""
        if self.path.exists():
            number = 1
            while (kept := self.path.with_name(f"ledger.{number}.jsonl")).exists():
                number += 1
            self.path.rename(kept)
        self.runs, self.entries = [], []

    def _append(self, content: Json) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(json.dumps(content).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise MachineError(
                f"{self.path} cannot be written ({error.strerror}): make room, then go on with "
                "--resume; what is in it is safe"
            ) from error


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """The ledger of a folder, for this process alone; nothing is written yet but a lock.

    Raises LedgerError when another run uses the folder, when it cannot be written to, or when the
    ledger is damaged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("a+", encoding="utf-8")
    except (FileExistsError, NotADirectoryError):
        raise LedgerError(f"--out {folder}: a file of that name is in the way") from None
    except OSError as error:
        raise LedgerError(f"--out {folder} cannot be written to: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise LedgerError(
                f"--out {folder} is in use by another run (process {lock.read().strip() or '?'}): "
                "wait for it, or choose another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield read_ledger(folder / LEDGER_FILE)


def read_ledger(path: Path, repair: bool = True) -> Ledger:
    """What a ledger holds; an unfinished last line is cut off the file, without repair only passed
    over: somebody may be writing it. LedgerError if damaged."""
    ledger = Ledger(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ledger
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}") from None
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            _take(ledger, json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(
                f"{path}, line {number} is damaged ({type(error).__name__}: {error}): move the "
                "file away to start afresh; it was not changed"
            ) from None
    if rest and repair:
        with path.open("r+b") as file:
            file.truncate(len(content) - len(rest))
    return ledger


def _take(ledger: Ledger, content: Mapping[str, Any]) -> None:
    if "run" in content:
        ledger.runs.append(dict(content["run"]))
        return
    if "released" in content:
        ledger.take_back(str(content["released"]))
        return
    result = JobResult.from_json(content["result"])
    ledger.entries.append(Entry(int(content["run_number"]), result, content["conditions"]))
