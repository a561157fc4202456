"""Batches for training and validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from torch.utils.data import DataLoader

from model.batch import DrivingExample
from model.config import ModelConfig
from model.training.dataset import DrivingDataset, collate
from model.training.index import DatasetError, load_index


@dataclass(frozen=True)
class DataSettings:
    """Where the data are and how they are dealt out.

    ``augmented`` adds each frame once more from the shifted cameras, which is how the network
    learns to come back to its lane. ``validation_share`` is a share of the drives.
    """

    root: str
    split: str
    batch_size: int
    workers: int
    augmented: bool
    validation_share: float


class DrivingDataModule(lightning.LightningDataModule):
    """Reads the index once and deals out shuffled batches, the same ones for the same seed."""

    def __init__(self, settings: DataSettings, config: ModelConfig, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.config = config
        self.seed = seed

    def setup(self, stage: str) -> None:
        root = Path(self.settings.root)
        index = load_index(root, self.settings.split, max(1, self.settings.workers))
        training, validation = index.split(self.settings.validation_share, self.seed)
        if not len(training):
            raise DatasetError(f"{root}: no frame is left for training in {self.settings.split}")
        self.training = DrivingDataset(root, training, self.config, self.settings.augmented)
        self.validation = DrivingDataset(root, validation, self.config, augmented=False)

    def train_dataloader(self) -> DataLoader[DrivingExample]:
        return DataLoader(
            self.training,
            batch_size=self.settings.batch_size,
            shuffle=True,
            drop_last=len(self.training) >= self.settings.batch_size,
            num_workers=self.settings.workers,
            persistent_workers=self.settings.workers > 0,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),
        )

    def val_dataloader(self) -> DataLoader[DrivingExample]:
        return DataLoader(
            self.validation,
            batch_size=self.settings.batch_size,
            num_workers=min(1, self.settings.workers),
            collate_fn=collate,
        )
