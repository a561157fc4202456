"""The sections of ``tests.benchmarks.gpu``: each gives the rows of a table.

Imports stand in the sections, so that a bare machine runs those whose packages it has.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
RANDOM_INPUTS = 32


def measure(section: str, arguments: argparse.Namespace) -> list[Row]:
    """Rows of ``section``; whatever it raises ends this process and becomes its entry."""
    return SECTIONS[section](arguments)


def machine(arguments: argparse.Namespace) -> list[Row]:
    import platform

    import torch

    from tests.benchmarks.tick import cpu_name, peak_flops

    device = torch.device(arguments.device)
    row: Row = {"python": platform.python_version(), "torch": torch.__version__}
    row["processor"] = cpu_name()
    if device.type == "cuda":
        row["gpu"] = torch.cuda.get_device_name(device)
        row["GB"] = torch.cuda.get_device_properties(device).total_memory / 1e9
    row["TFLOP/s of a matrix product"] = peak_flops(device) / 1e12
    return [row]


def tick(arguments: argparse.Namespace) -> list[Row]:
    """One tick on every backend, beside the reference pipeline, all in turns on one model."""
    import numpy as np
    import torch

    from model.config import PRESETS
    from model.driving import DrivingModel
    from model.runtime import Runtime
    from tests.benchmarks.tick import SPEED_MPS, TARGETS_EGO_M, TimedReference

    config, device = PRESETS[arguments.preset], torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    torch.manual_seed(0)
    model = DrivingModel(config).eval()
    camera = config.cameras[0]
    size = (len(config.cameras), camera.height_px, camera.width_px, 3)
    images = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    runtimes, memory_gb = {}, {}
    for backend in ("compiled", "graphs", "eager") if on_gpu else ("eager",):
        before = torch.cuda.memory_allocated(device) if on_gpu else 0
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
        runtimes[backend] = Runtime(model, arguments.device, backend=backend)
        if on_gpu:
            memory_gb[backend] = (torch.cuda.max_memory_allocated(device) - before) / 1e9
    reference = TimedReference(model, device)
    reference.tick(images)
    for runtime in runtimes.values():
        runtime.latency = type(runtime.latency)()
    reference.latency = type(reference.latency)()
    wall_ms: dict[str, list[float]] = {name: [] for name in (*runtimes, "reference")}
    for _ in range(arguments.ticks):
        for backend, runtime in runtimes.items():
            begun_s = reference.now_s()
            runtime.predict(images, SPEED_MPS, TARGETS_EGO_M)
            wall_ms[backend].append(1e3 * (reference.now_s() - begun_s))
        begun_s = reference.now_s()
        reference.tick(images)
        wall_ms["reference"].append(1e3 * (reference.now_s() - begun_s))
    slow_ms = float(np.median(wall_ms["reference"]))
    logs = {name: runtime.latency for name, runtime in runtimes.items()}
    logs["reference"] = reference.latency
    rows = []
    for name, spans_ms in wall_ms.items():
        p50, p95, p99 = np.percentile(spans_ms, [50, 95, 99])
        row: Row = {"backend": name, "p50 ms": float(p50), "p95": float(p95), "p99": float(p99)}
        row["times faster"] = slow_ms / float(p50)
        row["GB"] = memory_gb.get(name)
        stages = logs[name].summary().items()
        row |= {f"{stage} p50": latency.p50_ms for stage, latency in stages if stage != "total"}
        rows.append(row)
    return rows


def precision(arguments: argparse.Namespace) -> list[Row]:
    """Plans of the number types that the device drives with against float32, in metres.

    The random model of the preset, and the shipped checkpoint, whose metres mean something.
    """
    import numpy as np
    import torch

    from agent.settings import DEFAULT_CHECKPOINT
    from model.checkpoint import load_checkpoint
    from model.config import PRESETS
    from model.driving import DrivingModel
    from model.export import random_input
    from model.fused import FusedPolicy
    from model.runtime import Runtime

    torch.manual_seed(0)
    models = {arguments.preset: DrivingModel(PRESETS[arguments.preset]).eval()}
    models["shipped nano"] = load_checkpoint(DEFAULT_CHECKPOINT)
    rows = []
    for name, model in models.items():
        driven = Runtime(model, arguments.device)
        exact = FusedPolicy(model).place(driven.device, torch.float32)
        errors_m: list[Any] = []
        for seed in range(RANDOM_INPUTS):
            images, speeds, route = random_input(model.config, seed)
            with torch.inference_mode():
                on_device = (tensor.to(driven.device) for tensor in (images, speeds, route))
                wanted = [output[0].float().cpu().numpy() for output in exact(*on_device)]
            views = images[0].permute(0, 1, 3, 4, 2).numpy()
            plan = driven.predict(views[0], speeds[0].numpy(), route[0].numpy())
            got = (plan.speed_wps, plan.route)[: len(wanted)]
            pairs = zip(got, wanted, strict=True)
            errors_m += [np.linalg.norm(ours - theirs, axis=-1).max() for ours, theirs in pairs]
        dtype = str(next(driven.policy.thinking.parameters()).dtype).removeprefix("torch.")
        median, worst = np.percentile(errors_m, [50, 100])
        rows.append(
            {
                "model": name,
                "driven in": dtype,
                "largest error of a plan, median m": float(median),
                "worst m": float(worst),
            }
        )
    return rows


def training(arguments: argparse.Namespace) -> list[Row]:
    """Steps at the paper's batch size of one GPU, and the share of them spent waiting for data."""
    import os
    import time

    from model.config import PRESETS
    from model.training.dataset import DrivingDataset
    from model.training.index import load_index
    from model.training.synthetic import write_dataset
    from tests.benchmarks.training import AUGMENT, TrainingStep, loader_of, train, with_labels

    config = PRESETS[arguments.preset]
    batch_size = min(28, max(arguments.batches))
    workers = max(1, min(12, (os.cpu_count() or 1) - 2))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root, drives=2, frames=40, cameras=config.cameras)
        dataset = DrivingDataset(root, with_labels(load_index(root, "training")), config, AUGMENT)
        batches = loader_of(dataset, batch_size, workers)
        step = TrainingStep(config, arguments.device)
        train(step, batches, 3)
        begun_s = time.perf_counter()
        spent_s, waited_s = train(step, batches, arguments.steps)
    row: Row = {"preset": config.name, "steps": arguments.steps, "batch": batch_size}
    row |= {"loader processes": workers, "samples/s": arguments.steps * batch_size / spent_s}
    row |= {"data wait %": 100.0 * waited_s / spent_s, "s": time.perf_counter() - begun_s}
    return [row]


def batch_sizes(arguments: argparse.Namespace) -> list[Row]:
    """Samples per second and memory of a step, by batch size, until memory ends."""
    import torch

    from model.config import PRESETS
    from model.training.dataset import DrivingDataset, collate
    from model.training.index import load_index
    from model.training.sampler import Draw
    from model.training.synthetic import write_dataset
    from tests.benchmarks.training import TrainingStep, pace

    config, device = PRESETS[arguments.preset], torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root, drives=1, frames=20, cameras=config.cameras)
        dataset = DrivingDataset(root, load_index(root, "training"), config)
        example = dataset[Draw(0, False, None)]
        step = TrainingStep(config, arguments.device)
        for size in sorted(arguments.batches):
            batch = collate([example] * size)
            if on_gpu:
                torch.cuda.reset_peak_memory_stats(device)
            try:
                step(batch)
                rate = pace(lambda batch=batch: step(batch), 5, size)  # type: ignore[misc]
            except torch.cuda.OutOfMemoryError:
                rows.append({"batch": size, "samples/s": "out of memory"})
                break
            gb = torch.cuda.max_memory_allocated(device) / 1e9 if on_gpu else None
            rows.append({"batch": size, "samples/s": rate, "GB": gb})
    return rows


def renderer(arguments: argparse.Namespace) -> list[Row]:
    """Milliseconds of a call for each camera rig, and on what it was drawn."""
    import numpy as np

    from evaluation.simulator.render.frame import RenderFrame
    from evaluation.simulator.render.renderer import Renderer
    from evaluation.simulator.town.town import load_town
    from tests.benchmarks.render import RIGS, measure_calls, parked_cars, views_of_places

    town = load_town("demo", 0)
    generator = np.random.default_rng(0)
    lamps = np.arange(len(town.scenery.lamp_heads.yaw_rad), dtype=np.uint8) % 3
    frame = RenderFrame(parked_cars(town, 40, generator), lamps)
    rows = []
    with Renderer(town.scenery, 4) as renderer:
        for rig in RIGS:
            places = views_of_places(town, rig, generator, 12)
            (cpu, wall), (_, wall_95) = np.percentile(
                measure_calls(renderer, frame, places, 3), [50, 95], axis=0
            )
            row: Row = {"rig": rig, "processor p50 ms": float(cpu), "wall p50 ms": float(wall)}
            rows.append(row | {"wall p95 ms": float(wall_95), "drawn by": renderer.describe()})
    return rows


def gpu_tests(arguments: argparse.Namespace) -> list[Row]:
    """The tests that are marked gpu."""
    command = [sys.executable, "-m", "pytest", "-q", "--slow", "-m", "gpu", "tests"]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    if done.returncode not in (0, 5):
        raise SystemExit(f"pytest -m gpu: {lines[-1]}")
    return [{"pytest -m gpu": lines[-1]}]


SECTIONS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "machine": machine,
    "tick": tick,
    "precision": precision,
    "training": training,
    "batch_sizes": batch_sizes,
    "renderer": renderer,
    "tests": gpu_tests,
}
