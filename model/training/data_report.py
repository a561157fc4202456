"""What of a dataset is used, how often, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from model.training import buckets
from model.training.data_module import DrivingDataModule
from model.training.index import DatasetError
from model.training.module import DrivingModule

REPORT_FILE = "data_report.txt"
# A few bad pictures among the first ones do not yet make a share.
FEWEST_SAMPLES = 200


class DataReport(Callback):
    """Prints the buckets at the start, keeps a list of everything left out in ``data_report.txt``,
    and ends a run that cannot read more than ``max_broken_share`` of its pictures."""

    def __init__(self, folder: Path, max_broken_share: float) -> None:
        self.path = folder / REPORT_FILE
        self.max_broken_share = max_broken_share
        self.samples = 0

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if trainer.is_global_zero:
            data = _data_of(trainer)
            frames, held_out = len(data.training), len(data.validation)
            print(
                f"{frames} frames for training, {held_out} for validation, "
                f"{len(data.problems)} things left out (see {self.path})"
            )
            Console().print(bucket_table(data))
            self._write(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert isinstance(pl_module, DrivingModule)
        self.samples += len(batch.example.driving_input.vehicle_speed) + len(batch.problems)
        lost = pl_module.problems.total()
        if lost > self.max_broken_share * max(self.samples, FEWEST_SAMPLES):
            self._write(trainer, pl_module)
            raise DatasetError(
                f"{lost} of {self.samples} samples could not be read, more than "
                f"data.max_broken_share ({self.max_broken_share:.0%}); they are named in "
                f"{self.path}. The first: {next(iter(pl_module.problems))}"
            )

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        if trainer.is_global_zero:
            self._write(trainer, pl_module)

    def _write(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, DrivingModule)
        lines = [*_data_of(trainer).problems]
        lines += [f"{problem} ({n} times)" for problem, n in pl_module.problems.items()]
        self.path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def bucket_table(data: DrivingDataModule) -> Table:
    """Frames and shares of every bucket."""
    table = Table("bucket", "frames", "of the data", "of the samples", title="Buckets")
    for name, frames, share, drawn in buckets.summary(data.buckets, data.chances):
        table.add_row(name, str(frames), f"{share:.1%}", f"{drawn:.1%}")
    return table


def _data_of(trainer: lightning.Trainer) -> DrivingDataModule:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, DrivingDataModule)
    return data
