"""What a policy behind a Unix socket costs, beside the same checkpoint in this process.

    python -m tests.benchmarks.tick --wire 200

Both plan in turns, for the same images, in one run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from agent.plan_source import PlanSource
from agent.policy import Policy
from agent.remote_policy import RemotePolicy
from agent.settings import DEFAULT_CHECKPOINT
from planner.records import Command, EgoState, Target

EGO = EgoState(np.zeros(2), 0.0, 7.0)
TARGETS = tuple(
    Target(np.array(place), Command.LANE_FOLLOW) for place in ((12.0, 1.0), (45.0, 6.0))
)
ROUTE_WORLD_M = np.stack([np.arange(40.0), np.zeros(40)], axis=-1)


def compare(ticks: int, checkpoint: Path = DEFAULT_CHECKPOINT) -> None:
    """Print milliseconds a plan, and what the socket adds."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/policy.sock"
        words = ["--checkpoint", str(checkpoint), "--address", address, "--device", "cpu"]
        server = subprocess.Popen([sys.executable, "-m", "agent.policy_server", *words])
        try:
            here, there = Policy(checkpoint, "cpu"), RemotePolicy(address, 60.0, 120.0)
            sources: tuple[PlanSource, ...] = (here, there)
            spent_ms: dict[str, list[float]] = {"in process": [], "over the socket": []}
            wire_ms: list[float] = []
            camera = here.cameras[0]
            size = (1, len(here.cameras), camera.height_px, camera.width_px, 3)
            for tick in range(ticks):
                images = np.random.default_rng(tick).integers(0, 256, size, dtype=np.uint8)
                for name, source in zip(spent_ms, sources, strict=True):
                    took_ms, stage_ms = _plan(source, images)
                    spent_ms[name].append(took_ms)
                    wire_ms += [stage_ms["wire"]] if "wire" in stage_ms else []
            there.close()
        finally:
            server.terminate()
            server.wait(60.0)
    for name, samples in (*spent_ms.items(), ("messages", wire_ms)):
        # The lowest percentile is what it takes where nothing else runs on the machine.
        p5_ms, p50_ms, p95_ms = np.percentile(samples, [5, 50, 95])
        print(f"{name:16} p5 {p5_ms:6.2f}  p50 {p50_ms:6.2f}  p95 {p95_ms:6.2f} ms")
    pairs = np.array(spent_ms["over the socket"]) - np.array(spent_ms["in process"])
    print(f"added by the socket, of pairs: p50 {np.median(pairs):.2f} ms")


def _plan(source: PlanSource, images: np.ndarray) -> tuple[float, dict[str, float]]:
    started_s = time.perf_counter()
    planned = source.plan(images, np.array([7.0]), EGO, TARGETS, ROUTE_WORLD_M)
    return 1e3 * (time.perf_counter() - started_s), dict(planned.stage_ms)
