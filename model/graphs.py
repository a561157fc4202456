"""The four stages of a tick as compiled CUDA graphs with events between them.

At one tick of a few milliseconds the launching of kernels from Python is most of the time; a graph
launches a whole stage at once. Buffers are allocated here and reused in each tick.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from model.fused import FusedPolicy

logger = logging.getLogger(__name__)

WARM_UP_RUNS = 3


class GraphedStages:
    """Runs a policy that lies on a GPU. The graphs are captured when the first input comes."""

    def __init__(self, policy: FusedPolicy, *, compiled: bool) -> None:
        self.policy = policy
        self.compiled = compiled
        self._inputs: list[Tensor] = []
        self._pinned: list[Tensor] = []
        self._replays: list[Callable[[], None]] = []
        self._outputs: tuple[Tensor, ...] = ()
        self._events: list[torch.cuda.Event] = []

    @torch.inference_mode()
    def run(
        self, images: Tensor, speeds: Tensor, route: Tensor
    ) -> tuple[tuple[Tensor, ...], list[float]]:
        """Host tensors in, host tensors and the milliseconds of each stage out.

        The first stage's time includes the copy of its images to the GPU.
        """
        hosts = (images, speeds, route)
        if not self._replays:
            self._capture(hosts)
        self._events[0].record()
        for buffer, pinned, host in zip(self._inputs, self._pinned, hosts, strict=True):
            pinned.copy_(host)
            buffer.copy_(pinned, non_blocking=True)
        for replay, event in zip(self._replays, self._events[1:], strict=True):
            replay()
            event.record()
        outputs = tuple(output.cpu() for output in self._outputs)
        self._events[-1].synchronize()
        pairs = pairwise(self._events)
        return outputs, [start.elapsed_time(end) for start, end in pairs]

    def _capture(self, hosts: tuple[Tensor, ...]) -> None:
        device = next(self.policy.parameters()).device
        self._inputs = [host.to(device) for host in hosts]
        self._pinned = [torch.empty_like(host, device="cpu").pin_memory() for host in hosts]
        images, speeds, route = self._inputs
        patches = self._capture_stage(self.policy.images, images)
        vision = self._capture_stage(self.policy.vision, patches)
        features = self._capture_stage(self.policy.language, vision, speeds, route)
        self._outputs = self._capture_stage(self.policy.head, features)
        self._events = [
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(len(self._replays) + 1)
        ]

    def _capture_stage(self, stage: Callable[..., Any], *inputs: Tensor) -> Any:
        """Compile and capture one stage; returns the buffers that each replay fills."""
        call = compile_stage(stage, inputs) if self.compiled else stage
        side_stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(WARM_UP_RUNS):
                call(*inputs)
        torch.cuda.current_stream().wait_stream(side_stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = call(*inputs)
        graph.replay()
        self._replays.append(graph.replay)
        return outputs


def compile_stage(
    stage: Callable[..., Any], inputs: tuple[Tensor, ...], options: dict[str, Any] | None = None
) -> Callable[..., Any]:
    """The compiled stage; the stage itself, and a warning, where this machine cannot compile.

    Compilers fail in many ways that share no class (no Triton, no C++ compiler, an old driver), and
    each leaves a stage that still runs, only slower.
    """
    compiled = torch.compile(stage, fullgraph=True, dynamic=False, options=options)
    try:
        compiled(*inputs)
    except Exception as error:  # noqa: BLE001
        logger.warning("running %s uncompiled: %s", stage.__name__, error)
        return stage
    return compiled
