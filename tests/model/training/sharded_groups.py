"""Run by a test: whether FSDP's wrapping changes which weights decay. Prints "same" per process."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch
from torch import distributed
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.multiprocessing.spawn import spawn

from model.config import DEBUG
from model.driving import DrivingModel
from model.training.module import DrivingModule, LossWeights
from model.training.optim import OptimSettings, parameter_groups

PROCESSES = 2


def groups_of(module: DrivingModule) -> list[tuple[str, float, int]]:
    groups = parameter_groups(module.model, module.optim, module.decaying)
    return [(group["name"], group["weight_decay"], len(group["params"])) for group in groups]


def compare(rank: int, meeting_point: str) -> None:
    distributed.init_process_group(
        "gloo", f"file://{meeting_point}", rank=rank, world_size=PROCESSES
    )
    torch.manual_seed(0)
    optim = OptimSettings(1e-3, 1e-3, 0.1, (0.9, 0.999), 0.05)
    module = DrivingModule(DrivingModel(DEBUG), optim, LossWeights(1.0, 1.0))
    before = groups_of(module)
    wrapped = FullyShardedDataParallel(module, use_orig_params=True, device_id=torch.device("cpu"))
    assert isinstance(wrapped.module, DrivingModule)
    after = groups_of(wrapped.module)
    os.write(1, b"same\n" if before == after else f"{before} {after}\n".encode())
    distributed.destroy_process_group()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        spawn(compare, (f"{folder}/meet",), nprocs=PROCESSES)
