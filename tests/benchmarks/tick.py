"""One tick of the model, beside a reference pipeline made of Hugging Face's own modules.

    python -m tests.benchmarks.tick --preset nano --device cpu
    python -m tests.benchmarks.tick --preset base --device cuda
    python -m tests.benchmarks.tick --wire 200

The reference works the way SimLingo-Base's published inference does: Hugging Face's image
processor, the images encoded twice, all layers of the tower, eager. Both run in turns in this
process, on the same weights and images. The peak is the rate of a large matrix product, measured
here as well. On a CPU everything uses ``--threads`` threads.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from model.checkpoint import load_checkpoint
from model.config import PRESETS, ModelConfig
from model.driving import DrivingModel
from model.latency import LatencyLog
from model.onnx_stages import FOLDER
from model.runtime import BACKENDS, STAGES, Runtime
from tests.benchmarks.wire import compare
from tests.model.reference import ReferencePipeline

TARGETS_EGO_M = np.array([[12.0, 1.0], [45.0, -6.0]])
SPEED_MPS = 7.0


class TimedReference:
    """The reference pipeline with a clock between its stages."""

    def __init__(self, model: DrivingModel, device: torch.device) -> None:
        self.device = device
        self.pipeline = ReferencePipeline(model, encodings=2).to(device)
        if device.type == "cuda":
            own = self.pipeline.own
            parts = (self.pipeline.llava, self.pipeline.llama, own.vision_model)
            for part in (*parts, own.language_projection):
                part.to(torch.bfloat16)
        self.latency = LatencyLog()
        self.speed = torch.tensor([[SPEED_MPS]], device=device)
        self.targets = torch.tensor(TARGETS_EGO_M[None], dtype=torch.float32, device=device)

    @torch.inference_mode()
    def tick(self, images: np.ndarray) -> None:
        pipeline, own = self.pipeline, self.pipeline.own
        clock_s = [self.now_s()]
        pixels, sizes = pipeline.preprocess(images)
        pixels = pixels.to(self.device)
        clock_s.append(self.now_s())
        for _ in range(pipeline.encodings):
            vision = own.language_projection(pipeline.encode(pixels, sizes))
        clock_s.append(self.now_s())
        context = own.context.encode(self.speed, self.targets).to(vision.dtype)
        queries = own.driving_adaptor.queries(1).to(vision.dtype)
        hidden = pipeline.llama(
            inputs_embeds=torch.cat([vision, context, queries], 1)
        ).last_hidden_state
        clock_s.append(self.now_s())
        output = own.driving_adaptor(hidden[:, -own.driving_adaptor.tokens :])
        output.speed_wps.cpu()
        clock_s.append(self.now_s())
        self.latency.add(dict(zip(STAGES, 1e3 * np.diff(clock_s), strict=True)))

    def now_s(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=("nano", "base"), default="nano")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--ticks", type=int, default=0, help="0: 100, or 2 for base on a CPU")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backend", choices=BACKENDS, default="auto")
    parser.add_argument("--checkpoint", type=Path, help="its weights and its files for onnx")
    parser.add_argument(
        "--wire", type=int, default=0, metavar="TICKS", help="time a policy server instead, at NANO"
    )
    arguments = parser.parse_args()
    if arguments.wire:
        compare(arguments.wire)
        return
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    slow = arguments.preset == "base" and device.type == "cpu"
    run(PRESETS[arguments.preset], device, arguments.ticks or (2 if slow else 100), arguments)


def run(
    config: ModelConfig, device: torch.device, ticks: int, arguments: argparse.Namespace
) -> None:
    torch.manual_seed(0)
    onnx_folder = None
    if arguments.checkpoint is None:
        model = DrivingModel(config).eval()
    else:
        model, onnx_folder = load_checkpoint(arguments.checkpoint), arguments.checkpoint / FOLDER
        config = model.config
    camera = config.cameras[0]
    size = (len(config.cameras), camera.height_px, camera.width_px, 3)
    images = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    runtime = Runtime(
        model,
        str(device),
        backend=arguments.backend,
        threads=arguments.threads,
        onnx_folder=onnx_folder,
    )
    runtime.predict(images, SPEED_MPS, TARGETS_EGO_M)
    memory_gb = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None
    runtime.latency = LatencyLog()
    reference = TimedReference(model, device)
    reference.tick(images)
    reference.latency = LatencyLog()
    for _ in range(ticks):
        runtime.predict(images, SPEED_MPS, TARGETS_EGO_M)
        reference.tick(images)
    flops = count_flops(lambda: reference.tick(images)), policy_flops(runtime, images)
    print(f"backend {runtime.backend}")
    report(config.name, device, arguments.threads, ticks, reference.latency, runtime.latency)
    peak = peak_flops(device)
    total_ms = [log.summary()["total"].p50_ms for log in (reference.latency, runtime.latency)]
    print(f"peak of a large matrix product here: {peak / 1e9:.0f} GFLOP/s")
    for name, count, ms in zip(("reference", "ours"), flops, total_ms, strict=True):
        print(f"{name}: {count / 1e9:.2f} GFLOP, {count / (ms / 1e3) / peak:.0%} of the peak")
    if memory_gb is not None:
        print(f"GPU memory of ours at its highest: {memory_gb:.2f} GB")


def policy_flops(runtime: Runtime, images: np.ndarray) -> int:
    """Of the eager policy: a replayed graph shows no operations to a counter."""
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)[None, None].to(runtime.device)
    speed = torch.tensor([[SPEED_MPS]], device=runtime.device)
    targets = torch.tensor(TARGETS_EGO_M[None], dtype=torch.float32, device=runtime.device)
    return count_flops(lambda: runtime.policy(batch, speed, targets))


def count_flops(call: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        call()
    return int(counter.get_total_flops())


def peak_flops(device: torch.device) -> float:
    """FLOP/s of the best of ten large matrix products, in the number type of the device."""
    gpu = device.type == "cuda"
    side = 8192 if gpu else 1024
    matrix = torch.randn(side, side, device=device, dtype=torch.bfloat16 if gpu else torch.float32)
    best_s = float("inf")
    for _ in range(10):
        if gpu:
            torch.cuda.synchronize(device)
        start_s = time.perf_counter()
        matrix @ matrix
        if gpu:
            torch.cuda.synchronize(device)
        best_s = min(best_s, time.perf_counter() - start_s)
    return 2 * side**3 / best_s


def report(
    preset: str,
    device: torch.device,
    threads: int,
    ticks: int,
    reference: LatencyLog,
    ours: LatencyLog,
) -> None:
    gpu = device.type == "cuda"
    where = torch.cuda.get_device_name(device) if gpu else f"{cpu_name()}, {threads} thread(s)"
    print(f"{preset} on {where}; torch {torch.__version__}; {ticks} ticks, milliseconds")
    print(f"{'stage':10}{'reference p50':>15}{'p95':>9}{'ours p50':>12}{'p95':>9}{'ratio':>9}")
    theirs = reference.summary()
    for stage, latency in ours.summary().items():
        slow = theirs[stage]
        print(
            f"{stage:10}{slow.p50_ms:15.2f}{slow.p95_ms:9.2f}"
            f"{latency.p50_ms:12.2f}{latency.p95_ms:9.2f}{slow.p50_ms / latency.p50_ms:8.1f}x"
        )


def cpu_name() -> str:
    """The processor's name as Linux tells it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
