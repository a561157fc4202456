"""Which frames are drawn in which order: a function of seed, epoch and position, and nothing else.

That makes a training that was stopped anywhere go on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Key = tuple[int, int, int]


class Draw(NamedTuple):
    """One sample: a row of the index, whether the shifted cameras saw it, and what seeds its
    image augmentation (None: none)."""

    row: int
    shifted: bool
    key: Key | None


class BatchSampler(Sampler[list[Draw]]):
    """Batches of one epoch after the other, beginning where ``position`` says.

    Rows are drawn with the given chances by systematic sampling: a row with the expectation 2.3 is
    drawn two or three times in an epoch. In each epoch every rank sees its own part.

    Args:
        chances: (n,) sum 1.
        has_augmented: (n,) rows that the shifted cameras saw.
        samples: draws per epoch over all ranks; what does not fill a batch is left out.
        shifted_share: how many of the draws are to be seen from the shifted cameras.
        position: batches that this rank has had so far; read when an iteration starts.
    """

    def __init__(
        self,
        chances: NDArray[np.float64],
        has_augmented: NDArray[np.bool_],
        *,
        batch_size: int,
        samples: int,
        shifted_share: float,
        seed: int,
        position: Callable[[], int],
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.cumulative = np.cumsum(chances)
        self.has_augmented = has_augmented
        self.batch_size = batch_size
        self.samples = samples
        self.shifted_share = shifted_share
        self.seed = seed
        self.position = position
        self.rank, self.ranks = rank, ranks

    def __len__(self) -> int:
        return max(1, self.samples // (self.batch_size * self.ranks))

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch, start = divmod(self.position(), len(self))
        rows, shifted = self.epoch(epoch)
        places = np.arange(self.samples)[self.rank :: self.ranks]
        for batch in range(start, len(self)):
            yield [
                Draw(int(rows[place]), bool(shifted[place]), (self.seed, epoch, int(place)))
                for place in places[batch * self.batch_size : (batch + 1) * self.batch_size]
            ]

    def epoch(self, number: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """All draws of an epoch, over all ranks: rows, and which the augmented cameras saw."""
        rng = np.random.default_rng((self.seed, number))
        # Evenly spaced marks on the cumulated chances, moved by a random part of their distance.
        marks = (np.arange(self.samples) + rng.uniform()) * (self.cumulative[-1] / self.samples)
        rows = np.searchsorted(self.cumulative, marks, side="right")
        rows = rng.permutation(np.minimum(rows, len(self.cumulative) - 1))
        shifted = (rng.uniform(size=self.samples) < self.shifted_share) & self.has_augmented[rows]
        return rows, shifted


class EveryFrame(Sampler[Draw]):
    """Each row once, as driven; for validation. Ranks have parts of one size."""

    def __init__(self, rows: int, rank: int = 0, ranks: int = 1) -> None:
        self.rows = range(rank, rows - rows % ranks, ranks)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Draw]:
        return (Draw(row, False, None) for row in self.rows)
