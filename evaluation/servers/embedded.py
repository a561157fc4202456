"""The embedded simulator as a child process that never outlives its parent."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

from evaluation.errors import UserError
from evaluation.servers.ports import LOOPBACK, wait_until_free

READY = "READY "
LOG_TAIL_LINES = 15
PORT_PATIENCE_S = 5.0


class SimulatorError(UserError, RuntimeError):
    """The simulator cannot be started, has ended or does not answer."""


@dataclass(frozen=True)
class ServerSettings:
    """town: `demo`, `generated:<seed>` or the path of an OpenDRIVE file; port: 0 takes a free pair;
    towns_folder: .xodr files that clients may load by name; client_version: of the carla package
    that will connect, None for the one that is installed here."""

    town: str = "demo"
    seed: int = 0
    port: int = 0
    towns_folder: Path | None = None
    client_version: str | None = None
    start_timeout_s: float = 120.0
    stop_timeout_s: float = 5.0


class Server:
    """`with Server(settings, log) as server:` runs a simulator on server.port.

    The child has a session of its own, so that Ctrl-C reaches the runner only, which ends it in
    order; should the runner die, the child sees it (`--parent-pid`) and ends by itself. renderer:
    the graphics driver that it draws with, "" where the machine has none.
    """

    def __init__(self, settings: ServerSettings, log_path: Path) -> None:
        self._settings = settings
        self._log_path = log_path
        self._process: subprocess.Popen[str] | None = None
        self.host = LOOPBACK
        self.renderer = ""
        self.port = settings.port

    def command(self) -> list[str]:
        settings = self._settings
        command = [sys.executable, "-m", "evaluation.simulator"]
        command += ["--port", str(settings.port), "--town", settings.town]
        command += ["--seed", str(settings.seed)]
        command += ["--client-version", settings.client_version or version("carla")]
        command += ["--parent-pid", str(os.getpid())]
        if settings.towns_folder is not None:
            command += ["--towns", str(settings.towns_folder)]
        return command

    def __enter__(self) -> Server:
        if self._settings.port:
            # A worker that was killed leaves a simulator, which notices it within a second.
            wait_until_free(self._settings.port, 2, PORT_PATIENCE_S)
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self.port = self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[str]) -> int:
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._pump, args=(process, lines), daemon=True).start()
        deadline_s = time.monotonic() + self._settings.start_timeout_s
        while True:
            try:
                line = lines.get(timeout=max(deadline_s - time.monotonic(), 0.0))
            except queue.Empty:
                raise SimulatorError(
                    f"the simulator was not ready within {self._settings.start_timeout_s:.0f} s; "
                    f"its last words:\n{self.log_tail()}"
                ) from None
            if line is None:
                code = process.wait()
                raise SimulatorError(
                    f"the simulator could not start (exit code {code}):\n{self.log_tail()}"
                )
            if line.startswith(READY):
                facts = json.loads(line.removeprefix(READY))
                self.renderer = str(facts.get("renderer") or "")
                return int(facts["port"])

    def _pump(self, process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        """Copies the child's output to the log for as long as it runs."""
        assert process.stdout is not None
        with self._log_path.open("w", encoding="utf-8") as log, process.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                lines.put(line)
        lines.put(None)

    def log_tail(self) -> str:
        try:
            text = self._log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-LOG_TAIL_LINES:])

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def require_running(self) -> None:
        """Raises SimulatorError with the end of the log if the child has ended."""
        if self._process is not None and self._process.poll() is not None:
            raise SimulatorError(
                f"the simulator ended with exit code {self._process.returncode}; "
                f"the end of {self._log_path}:\n{self.log_tail()}"
            )

    def stop(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(self._settings.stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
