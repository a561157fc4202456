"""Samples per second of the loader, of the training step, and of both together.

    python -m tests.benchmarks.training --preset nano
    python -m tests.benchmarks.training --preset base --device cuda --batch-size 28 --workers 8

The drives are made up, in the preset's image sizes. The naive loader works the way SimLingo's
does: for every sample it walks the folder and unzips the eleven measurements that the labels need.
Where decoding large images takes nearly all of the time, only the cache of decoded images
(``data.image_cache``) changes much; it is measured once it is filled. Loaders and steps run in
turns, ``--rounds`` times; the table has the medians.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from model.batch import DrivingExample, DrivingInput, DrivingLabel
from model.config import PRESETS, ModelConfig
from model.driving import DrivingModel
from model.loss import driving_losses, summarise_losses
from model.training.augment import AugmentSettings
from model.training.dataset import DrivingDataset, LoadedBatch, collate
from model.training.drives import WAYPOINTS
from model.training.images import ImageCache, read_image
from model.training.index import DatasetIndex, load_index
from model.training.labels import equally_spaced, future_waypoints
from model.training.optim import OptimSettings, build_optimizer, decaying_weights
from model.training.sampler import BatchSampler, Draw
from model.training.synthetic import write_dataset

AUGMENT = AugmentSettings(0.5, 0.15, 0.2, 0.1, 0.2, 1.0, 0.3, 12.0)
ENDLESS = 100_000


class NaiveDataset(DrivingDataset):
    """The same examples, found and computed anew for every sample."""

    def __getitem__(self, draw: Draw) -> DrivingExample:
        drive = self.root / str(self.index.drives[self.index.drive[draw.row]])
        files = sorted((drive / "measurements").glob("*.json.gz"))
        first = int(self.index.frame[draw.row])
        records = [
            json.loads(gzip.decompress(file.read_bytes()))
            for file in files[first : first + WAYPOINTS + 1]
        ]
        poses = np.array([record["ego_matrix"] for record in records])
        waypoints = future_waypoints(poses, WAYPOINTS)[0]
        route = equally_spaced(np.array(records[0]["route"]), self.config.route_points)
        views = [
            read_image(drive / camera.name / f"{first:04d}.jpg") for camera in self.config.cameras
        ]
        targets = [records[0]["target_point"], records[0]["target_point_next"]]
        return DrivingExample(
            DrivingInput(
                torch.from_numpy(np.stack(views)[None]).permute(0, 1, 4, 2, 3),
                self.intrinsics,
                self.extrinsics,
                torch.tensor([records[0]["speed"]]),
                None,
                torch.tensor(targets),
            ),
            DrivingLabel(
                torch.from_numpy(waypoints).float(),
                torch.from_numpy(route).float(),
                torch.tensor(bool(np.isfinite(waypoints).all())),
                torch.tensor(bool(np.isfinite(route).all())),
            ),
        )


def loader_of(dataset: DrivingDataset, batch_size: int, workers: int) -> Iterator[LoadedBatch]:
    rows = len(dataset)
    sampler = BatchSampler(
        np.full(rows, 1.0 / rows),
        dataset.index.has_augmented,
        batch_size=batch_size,
        samples=ENDLESS,
        shifted_share=0.0,
        seed=0,
        position=lambda: 0,
    )
    return iter(DataLoader(dataset, batch_sampler=sampler, num_workers=workers, collate_fn=collate))


def with_labels(index: DatasetIndex) -> DatasetIndex:
    """The frames that have all of their waypoints."""
    return index.rows(np.flatnonzero(np.isfinite(index.waypoints_ego_m).all(axis=(1, 2))))


class TrainingStep:
    """Forward, backward, clipping and optimiser, as Lightning runs them."""

    def __init__(self, config: ModelConfig, device: str) -> None:
        torch.manual_seed(0)
        self.device = torch.device(device)
        self.model = DrivingModel(config).to(self.device)
        settings = OptimSettings(3e-5, 3e-5, 0.1, (0.9, 0.999), 0.05)
        decaying = decaying_weights(self.model)
        self.optimizer, self.schedule = build_optimizer(self.model, settings, decaying, ENDLESS)

    def __call__(self, batch: LoadedBatch) -> None:
        driving_input, label = batch.example
        moved = DrivingInput._make(None if t is None else t.to(self.device) for t in driving_input)
        wanted = DrivingLabel._make(None if t is None else t.to(self.device) for t in label)
        half = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            loss = summarise_losses(driving_losses(self.model(moved), wanted)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.schedule.step()
        if half:
            torch.cuda.synchronize(self.device)


def pace(act: Callable[[], None], batches: int, batch_size: int) -> float:
    """Samples per second."""
    begun_s = time.perf_counter()
    for _ in range(batches):
        act()
    return batches * batch_size / (time.perf_counter() - begun_s)


def train(step: TrainingStep, batches: Iterator[LoadedBatch], count: int) -> tuple[float, float]:
    """Seconds in all, and seconds spent waiting for data."""
    begun_s, waited_s = time.perf_counter(), 0.0
    for _ in range(count):
        asked_s = time.perf_counter()
        batch = next(batches)
        waited_s += time.perf_counter() - asked_s
        step(batch)
    return time.perf_counter() - begun_s, waited_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", choices=("nano", "base", "debug"), default="nano")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, default=8, help="per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loader-only", action="store_true", help="no model: base on a CPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = PRESETS[arguments.preset]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_dataset(root, drives=2, frames=40, cameras=config.cameras)
        measure(root, config, arguments)


def measure(root: Path, config: ModelConfig, arguments: argparse.Namespace) -> None:
    index = with_labels(load_index(root, "training"))
    size, count = arguments.batch_size, arguments.batches
    ours = loader_of(DrivingDataset(root, index, config, AUGMENT), size, 0)
    plain = loader_of(DrivingDataset(root, index, config), size, 0)
    cache = ImageCache(root / "cache")
    cached = loader_of(DrivingDataset(root, index, config, None, cache), size, 0)
    naive = loader_of(NaiveDataset(root, index, config), size, 0)
    fed = loader_of(DrivingDataset(root, index, config, AUGMENT), size, arguments.workers)
    step = None if arguments.loader_only else TrainingStep(config, arguments.device)
    for loader in (ours, plain, naive, fed):
        batch = next(loader)
    for _ in range(-(-len(index) // size)):
        next(cached)
    if step is not None:
        step(batch)
    names = ("ours", "plain", "cached", "naive", "model", "both")
    paces: dict[str, list[float]] = {name: [] for name in names}
    waits = []
    for _ in range(arguments.rounds):
        paces["ours"].append(pace(lambda: next(ours) and None, count, size))
        paces["plain"].append(pace(lambda: next(plain) and None, count, size))
        paces["cached"].append(pace(lambda: next(cached) and None, count, size))
        paces["naive"].append(pace(lambda: next(naive) and None, count, size))
        if step is None:
            continue
        paces["model"].append(pace(lambda: step(batch), count, size))
        spent_s, waited_s = train(step, fed, count)
        paces["both"].append(count * size / spent_s)
        waits.append(waited_s / spent_s)
    middle = {name: statistics.median(values) for name, values in paces.items() if values}
    print(f"{arguments.preset}, {platform.machine()}, {arguments.device}, batches of {size}")
    print(f"loader alone, in this process   {middle['ours']:8.1f} samples/s, with augmentation")
    print(f"loader without augmentation     {middle['plain']:8.1f} samples/s")
    print(f"naive loader, without as well   {middle['naive']:8.1f} samples/s")
    print(f"loader with an image cache     {middle['cached']:8.1f} samples/s, likewise")
    print(f"loader against naive            {middle['plain'] / middle['naive']:8.1f} x")
    print(f"loader with cache against naive {middle['cached'] / middle['naive']:8.1f} x")
    if step is None:
        return
    print(f"training step alone             {middle['model']:8.1f} samples/s")
    print(f"both, {arguments.workers} worker(s)               {middle['both']:8.1f} samples/s")
    print(f"data wait                       {statistics.median(waits):8.1%} of the time")


if __name__ == "__main__":
    main()
