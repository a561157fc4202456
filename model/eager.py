"""The four stages of a tick, launched one after the other, on a CPU or a GPU."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from model.fused import FusedPolicy
from model.graphs import compile_stage


class EagerStages:
    """Runs a policy where it lies. On a GPU each stage is waited for, so that its time is its own:
    :class:`model.graphs.GraphedStages` is the fast way there."""

    def __init__(self, policy: FusedPolicy) -> None:
        self.policy = policy
        self.device = next(policy.parameters()).device
        self._vision: Callable[[Tensor], Tensor] = policy.vision
        self._language: Callable[[Tensor, Tensor, Tensor], Tensor] = policy.language

    @torch.inference_mode()
    def compile(self, images: Tensor, speeds: Tensor, route: Tensor) -> None:
        """Compile the two stages that cost anything, their weights built in as constants."""
        patches = self.policy.images(images)
        self._vision = compile_stage(self.policy.vision, (patches,), {"freezing": True})
        tokens = self._vision(patches)
        self._language = compile_stage(
            self.policy.language, (tokens, speeds, route), {"freezing": True}
        )

    @torch.inference_mode()
    def run(
        self, images: Tensor, speeds: Tensor, route: Tensor
    ) -> tuple[tuple[Tensor, ...], list[float]]:
        """Host tensors in, host tensors and the milliseconds of each stage out.

        The first stage's time includes the copy to the device, the last one's the copy back.
        """
        clock_s = [self._now_s()]
        images, speeds, route = (tensor.to(self.device) for tensor in (images, speeds, route))
        patches = self.policy.images(images)
        clock_s.append(self._now_s())
        vision = self._vision(patches)
        clock_s.append(self._now_s())
        features = self._language(vision, speeds, route)
        clock_s.append(self._now_s())
        outputs = tuple(output.cpu() for output in self.policy.head(features))
        clock_s.append(self._now_s())
        return outputs, (1e3 * np.diff(clock_s)).tolist()

    def _now_s(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
