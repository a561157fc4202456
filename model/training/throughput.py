"""What a run says while it goes on: speed, losses, and a table with a row per validation."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

COLUMNS = {
    "loss": "validation/loss",
    "route 10 m": "validation/route_10m",
    "route end": "validation/route_end",
    "wp ADE": "validation/wp_ade",
    "wp FDE": "validation/wp_fde",
    "speed m/s": "validation/speed_mps",
}
TABLE_FILE = "validation.csv"


class Throughput(Callback):
    """Logs samples per second and the share of the time that was spent waiting for data, and
    prints a line about every ``print_every_s``.

    Both are means since the last line; the first batches, which start the workers, are left out.
    """

    def __init__(self, print_every_s: float) -> None:
        self.print_every_s = print_every_s
        self._reset(time.monotonic())

    def _reset(self, now_s: float) -> None:
        self._begun_s = now_s
        self._waiting_since_s: float | None = None
        self._waited_s = 0.0
        self._samples = 0
        self._batches = 0

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._reset(time.monotonic())

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if self._waiting_since_s is not None:
            self._waited_s += time.monotonic() - self._waiting_since_s

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        now_s = time.monotonic()
        if self._waiting_since_s is None:
            # The first batch of a stretch: what it took tells of the start, not of the pace.
            self._reset(now_s)
        else:
            self._samples += len(batch.example.driving_input.vehicle_speed)
            self._batches += 1
        if now_s - self._begun_s >= self.print_every_s and self._batches:
            self._report(trainer, pl_module, now_s)
            self._reset(now_s)
        self._waiting_since_s = time.monotonic()

    def _report(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, now_s: float
    ) -> None:
        span_s = now_s - self._begun_s
        pace = self._samples * trainer.world_size / span_s
        wait = self._waited_s / span_s
        pl_module.log_dict({"pace/samples_per_s": pace, "pace/data_wait_share": wait})
        if not trainer.is_global_zero:
            return
        progress = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        epochs = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else 0
        planned = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
        left_min = (planned - progress) * span_s / self._batches / 60.0
        metrics = trainer.callback_metrics
        parts = "  ".join(
            f"{name} {float(metrics[key]):.3f}"
            for name, key in (
                ("loss", "train/loss"),
                ("speed", "train/speed_wps_loss"),
                ("route", "train/route_loss"),
            )
            if key in metrics
        )
        print(
            f"epoch {trainer.current_epoch + 1}/{epochs or '-'}  batch {progress}/{planned:.0f}  "
            f"{parts}  {pace:.1f} samples/s  data wait {wait:.1%}  {left_min:.0f} min left",
            flush=True,
        )


class ValidationTable(Callback):
    """Prints the validation's errors (metres) in a row, and appends them to ``validation.csv``.

    ``outdated`` says whether training has gone on since.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / TABLE_FILE
        self.outdated = False

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.outdated = True

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        metrics = trainer.callback_metrics
        if trainer.sanity_checking:
            return
        self.outdated = False
        if not trainer.is_global_zero:
            return
        names = ["epoch", "step", *COLUMNS]
        values = [
            str(trainer.current_epoch + 1),
            str(trainer.global_step),
            *(f"{float(metrics[key]):.3f}" if key in metrics else "-" for key in COLUMNS.values()),
        ]
        print("validation  " + "  ".join(map("{} {}".format, names, values)), flush=True)
        fresh = not self.path.is_file()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(names)
            writer.writerow(values)
