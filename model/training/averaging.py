"""A moving average of the weights, which is what is validated and exported."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from model.config import ConfigError


def with_average(decay: float, callbacks: list[Callback]) -> list[Callback]:
    """The callbacks, of which those that keep a state or weights see the average.

    Raises ConfigError where Lightning has no averages yet.
    """
    try:
        from lightning.pytorch.callbacks import EMAWeightAveraging
    except ImportError as error:
        raise ConfigError("optim.ema: needs lightning 2.6; pip install -U lightning") from error

    class AveragedWeights(EMAWeightAveraging):
        """Lightning's, which puts the last step's weights back before a validation has ended: the
        best ones would be exported without their average."""

        def on_validation_epoch_end(self, *_: Any) -> None:
            """The average stays in its place until the validation is over."""

        def put_back(
            self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
        ) -> None:
            super().on_validation_epoch_end(trainer, pl_module)

    class PutBack(Callback):
        """Ends a validation when everyone has seen the average."""

        def on_validation_end(
            self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
        ) -> None:
            average.put_back(trainer, pl_module)

    average = AveragedWeights(decay=decay)
    # A state that is kept after a step has to hold that step's average: it comes first.
    return [average, *callbacks, PutBack()]
