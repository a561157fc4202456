"""What of a dataset is used, how often, and what is not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.table import Table

from model.training import buckets
from model.training.data_module import DrivingDataModule
from model.training.dataset import LoadedBatch
from model.training.index import DatasetError

REPORT_FILE = "data_report.txt"
# A few bad images among the first ones do not yet make a share.
FEWEST_SAMPLES = 200


class DataReport(Callback):
    """Prints the buckets at the start, keeps a list of everything left out in ``data_report.txt``,
    and ends a run that cannot read more than ``max_broken_share`` of its images.

    ``problems`` counts the images that could not be read, by their message.
    """

    def __init__(self, folder: Path, max_broken_share: float) -> None:
        self.path = folder / REPORT_FILE
        self.max_broken_share = max_broken_share
        self.problems: Counter[str] = Counter()
        self.samples = 0
        self.lost = 0

    def state_dict(self) -> dict[str, Any]:
        return {"problems": dict(self.problems), "samples": self.samples, "lost": self.lost}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.problems = Counter(state_dict["problems"])
        self.samples, self.lost = int(state_dict["samples"]), int(state_dict["lost"])

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
            self._write(trainer, self.problems)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        assert isinstance(batch, LoadedBatch)
        self.samples += batch.readable + len(batch.problems)
        self.lost += len(batch.problems)
        self.problems.update(batch.problems)
        if self.lost > self.max_broken_share * max(self.samples, FEWEST_SAMPLES):
            self._write(trainer, self.problems)
            raise DatasetError(
                f"{self.lost} of {self.samples} samples could not be read, more than "
                f"data.max_broken_share ({self.max_broken_share:.0%}); they are named in "
                f"{self.path}. The first: {next(iter(self.problems))}"
            )

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        assert isinstance(batch, LoadedBatch)
        self.problems.update(batch.problems)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        found = self.problems
        if trainer.world_size > 1:
            counters: list[Counter[str] | None] = [None] * trainer.world_size
            torch.distributed.all_gather_object(counters, self.problems)
            found = sum((counter for counter in counters if counter), Counter())
        if trainer.is_global_zero:
            self._write(trainer, found)

    def _write(self, trainer: lightning.Trainer, found: Counter[str]) -> None:
        lines = [*_data_of(trainer).problems]
        lines += [f"{problem} ({n} times)" for problem, n in found.items()]
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
