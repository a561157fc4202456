"""Batches for training and validation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import lightning
import torch
from torch.utils.data import DataLoader

from model.batch import DrivingExample
from model.config import ConfigError, ModelConfig
from model.strict_json import Within, check_fields
from model.training import bucket_table, buckets
from model.training.augment import AugmentSettings, Share
from model.training.dataset import DrivingDataset, Unreadable, collate
from model.training.images import ImageCache
from model.training.index import DatasetError, load_index, read_index, write_index
from model.training.rig_check import with_cameras
from model.training.sampler import BatchSampler, EveryFrame

DEFAULT_SHIFTED_SHARE = 0.5


@dataclass(frozen=True)
class DataSettings:
    """Where the data are and how they are dealt out.

    * ``root``: null for a small made-up dataset, to try the wiring.
    * ``split``: the folder below ``data/simlingo`` with the drives of both training and validation,
      or the beginning of several; see :func:`model.training.index.split_folders`.
    * ``samples_per_epoch``: null for as many as there are frames.
    * ``shifted_share`` of the samples are seen from the shifted cameras, which is how the network
      learns to come back to its lane. Null: a half, or none with ``hist_len`` above 1, as the
      shifted cameras are elsewhere in every frame.
    * ``first_frame``: frames before it are not used. SimLingo leaves out the ten in which the car
      still stands; where the car may start at once, they show how to start.
    * ``validation_share`` is a share of the drives.
    * ``max_broken_share``: more unreadable drives, frames or images than that are an error.
    * ``image_cache``: folder on a fast disk for decoded images, or null.
    * ``bucket_table``: SimLingo's table of buckets (.pkl, .npz or .json), which is then sampled
      with SimLingo's weights; null for buckets and weights of our own (``buckets``).
    * ``max_repeats``: how often a frame is drawn at most, compared with equal chances.
    """

    root: str | None
    split: str
    batch_size: Annotated[int, Within(1, 65536)]
    workers: Annotated[int, Within(0, 1024)]
    samples_per_epoch: Annotated[int, Within(1, 100_000_000)] | None
    shifted_share: Share | None
    first_frame: Annotated[int, Within(0, 100_000)]
    validation_share: Share
    max_broken_share: Share
    image_cache: str | None
    bucket_table: str | None
    max_repeats: Annotated[float, Within(1, 1_000_000)]
    buckets: buckets.BucketWeights
    augment: AugmentSettings

    def __post_init__(self) -> None:
        check_fields(self, "data")


class DrivingDataModule(lightning.LightningDataModule):
    """Reads the index once and deals out weighted draws, the same ones for the same seed.

    Its state in a checkpoint is the number of batches that were dealt out, and what their order
    depends on. ``index_file`` keeps the index of the run: a run that goes on uses the frames that
    it began with, however many have been recorded since.
    """

    training: DrivingDataset
    validation: DrivingDataset
    problems: list[str]

    def __init__(
        self,
        settings: DataSettings,
        root: Path,
        config: ModelConfig,
        seed: int,
        index_file: Path,
    ) -> None:
        super().__init__()
        # Machines share the run's folder, so one of them takes stock for all.
        self.prepare_data_per_node = False
        self.settings = settings
        self.root = root
        self.config = config
        self.seed = seed
        self.index_file = index_file
        self._restored_position = 0

    @property
    def shifted_share(self) -> float:
        """Share of the training's samples that are seen from the shifted cameras."""
        if self.settings.shifted_share is not None:
            return self.settings.shifted_share
        return DEFAULT_SHIFTED_SHARE if self.config.hist_len == 1 else 0.0

    def prepare_data(self) -> None:
        """Take stock of the data where that is not done; called in one process only."""
        settings = self.settings
        if not self.index_file.is_file():
            index = load_index(
                self.root,
                settings.split,
                max(1, settings.workers),
                settings.max_broken_share,
            )
            write_index(self.index_file, index)

    def setup(self, stage: str) -> None:
        # The model needs the cores; and a worker forked beside a pool of OpenCV's threads hangs.
        cv2.setNumThreads(1)
        settings, config = self.settings, self.config
        if config.hist_len > 1 and self.shifted_share > 0.0:
            raise ConfigError(
                "data.shifted_share: expected 0 or null with hist_len above 1 (the shifted cameras "
                f"are elsewhere in every frame), got {settings.shifted_share}"
            )
        index, problems = with_cameras(
            read_index(self.index_file), config.cameras, settings.max_broken_share
        )
        self.problems = [*index.problems.tolist(), *problems]
        index = index.from_frame(max(settings.first_frame, config.hist_len - 1))
        training, validation = index.split(settings.validation_share, self.seed)
        root = self.root
        if not len(training):
            raise DatasetError(f"{root}: no frame is left for training in {settings.split}")
        cache = ImageCache(Path(settings.image_cache)) if settings.image_cache else None
        self.training = DrivingDataset(root, training, config, settings.augment, cache)
        self.validation = DrivingDataset(root, validation, config, None, cache)
        if settings.bucket_table is None:
            self.buckets = buckets.find_buckets(training)
            weights = buckets.computed_weights(settings.buckets)
        else:
            table = bucket_table.read_table(Path(settings.bucket_table))
            self.buckets = bucket_table.match(training, table)
            weights = bucket_table.upstream_weights(self.buckets.names)
        self.chances = buckets.draw_weights(self.buckets, weights, settings.max_repeats)

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position(), "order": self._order()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["order"] != self._order():
            raise DatasetError(
                f"{self.root}: the run to be resumed dealt out other batches "
                f"({state_dict['order']}, now {self._order()}): the seed, the batch size, "
                "the number of samples or of processes have changed. Start a new run (another "
                "output) with checkpoint=<the old run's checkpoint>"
            )
        self._restored_position = int(state_dict["position"])

    def position(self) -> int:
        """Batches that training has had so far."""
        if self.trainer is None:
            return self._restored_position
        # Lightning restores its own count only after it has asked for the first batches.
        counted = self.trainer.fit_loop.epoch_loop.batch_progress.total.ready
        return max(self._restored_position, int(counted))

    def _order(self) -> str:
        return (
            f"data {self.training.index.fingerprint()}, seed {self.seed}, "
            f"{self._ranks()} x {self.settings.batch_size} of {self._samples()}"
        )

    def _samples(self) -> int:
        return self.settings.samples_per_epoch or len(self.training)

    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else 0

    def _ranks(self) -> int:
        return self.trainer.world_size if self.trainer is not None else 1

    def train_dataloader(self) -> DataLoader[DrivingExample | Unreadable]:
        settings = self.settings
        sampler = BatchSampler(
            self.chances,
            self.training.index.has_augmented,
            batch_size=settings.batch_size,
            samples=self._samples(),
            shifted_share=self.shifted_share,
            seed=self.seed,
            position=self.position,
            rank=self._rank(),
            ranks=self._ranks(),
        )
        return DataLoader(
            self.training,
            batch_sampler=sampler,
            num_workers=settings.workers,
            persistent_workers=settings.workers > 0,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader[DrivingExample | Unreadable]:
        return DataLoader(
            self.validation,
            sampler=EveryFrame(len(self.validation), self._rank(), self._ranks()),
            batch_size=self.settings.batch_size,
            num_workers=min(1, self.settings.workers),
            collate_fn=collate,
        )
