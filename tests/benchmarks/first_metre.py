"""How long `make drive` takes in a fresh clone until the car has driven a metre.

    python -m tests.benchmarks.first_metre --commits main~20 main --repetitions 2

The commits take turns, so that a busy machine or index bears on each. A repetition clones the
repository, makes the environment and drives; everything is removed afterwards. What pip has in its
cache is not used, unless `--cache` is given.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import carla

from evaluation.servers.ports import free_port
from tests.shapes import PROJECT

METRE_M = 1.0
POLL_S = 0.2
ANSWER_S = 5.0
"""A simulator that is busy with a tick of the runner answers a while later."""
EGO = "hero"


class NoMetreError(RuntimeError):
    """`make drive` ended, or took too long, before the car had moved."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", nargs="+", default=["HEAD"])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1200.0, metavar="S")
    parser.add_argument("--cache", action="store_true", help="let pip use its cache")
    parsed = parser.parse_args()
    times_s: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(parsed.repetitions):
        for commit in parsed.commits:
            times_s[commit].append(measure(commit, parsed.limit, cache=parsed.cache))
            installed_s, driven_s = times_s[commit][-1]
            print(f"{commit}: server {installed_s:.0f} s, metre {driven_s:.0f} s", flush=True)
    print("| commit | installed, s | first metre, s |\n|---|---|---|")
    for commit, pairs in times_s.items():
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        print(f"| {commit} | {medians[0]:.0f} | {medians[1]:.0f} |")


def measure(commit: str, limit_s: float, *, cache: bool) -> tuple[float, float]:
    """Seconds from `make drive` until a simulator answers, and until the ego has moved a metre."""
    folder = Path(tempfile.mkdtemp(prefix="first_metre_"))
    try:
        subprocess.run(["git", "clone", "-q", str(PROJECT), str(folder / "clone")], check=True)
        subprocess.run(["git", "checkout", "-q", commit], cwd=folder / "clone", check=True)
        return _drive(folder / "clone", limit_s, cache=cache)
    finally:
        shutil.rmtree(folder)


def _drive(clone: Path, limit_s: float, *, cache: bool) -> tuple[float, float]:
    port = free_port(neighbours=2)
    command = ["make", f"DRIVE_ARGS=--port {port} --seed 0", "drive"]
    environment = dict(os.environ) | ({} if cache else {"PIP_NO_CACHE_DIR": "1"})
    environment.pop("PYTHONPATH", None)
    started_s = time.monotonic()
    process = subprocess.Popen(command, cwd=clone, env=environment, start_new_session=True)
    try:
        client = _wait_for_simulator(process, port, started_s + limit_s)
        answered_s = time.monotonic() - started_s
        _wait_for_metre(process, client, started_s + limit_s)
        return answered_s, time.monotonic() - started_s
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60.0)


def _wait_for_simulator(
    process: subprocess.Popen[bytes], port: int, deadline_s: float
) -> carla.Client:
    while True:
        _require_going(process, deadline_s)
        # A client that found nobody at first is not sure to connect later.
        client = carla.Client("127.0.0.1", port)
        client.set_timeout(ANSWER_S)
        try:
            client.get_server_version()
        except RuntimeError:
            time.sleep(POLL_S)
        else:
            client.set_timeout(30.0)
            return client


def _wait_for_metre(
    process: subprocess.Popen[bytes], client: carla.Client, deadline_s: float
) -> None:
    world = client.get_world()
    start: tuple[float, float] | None = None
    while True:
        _require_going(process, deadline_s)
        snapshot = world.get_snapshot()
        for actor in world.get_actors().filter("vehicle.*"):
            if actor.attributes.get("role_name") != EGO or not snapshot.has_actor(actor.id):
                continue
            place = snapshot.find(actor.id).get_transform().location
            start = start or (place.x, place.y)
            if math.dist(start, (place.x, place.y)) >= METRE_M:
                return
        time.sleep(POLL_S)


def _require_going(process: subprocess.Popen[bytes], deadline_s: float) -> None:
    if process.poll() is not None:
        raise NoMetreError(f"make drive ended with {process.returncode}")
    if time.monotonic() > deadline_s:
        raise NoMetreError("make drive took too long")


if __name__ == "__main__":
    main()
