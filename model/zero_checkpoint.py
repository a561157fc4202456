"""DeepSpeed's own checkpoints, as Lightning leaves them: the weights that its processes shared.

A folder with ``latest``, which names a folder beside it; in that one ``mp_rank_00_model_states.pt``
and, for each process, ``*zero_pp_rank_N_mp_rank_00_optim_states.pt`` with its part of the float32
weights, laid end to end. DeepSpeed's script ``zero_to_fp32.py`` puts them together too, but
unpickles whatever the files hold; here :mod:`model.torch_file` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import CheckpointError
from model.shards import is_plain_name
from model.torch_file import TorchFile, read_torch_file

LATEST = "latest"
# Without "latest": the name that Lightning gives the folder.
LIGHTNING_TAG = "checkpoint"
MODEL_STATES = "mp_rank_00_model_states.pt"
OPTIMIZER_STATES = re.compile(r".*zero_pp_rank_(\d+)_mp_rank_00_optim_states\.pt")
ADVICE = "put the weights together with the zero_to_fp32.py that DeepSpeed left beside them"


def find_zero_folder(folder: Path) -> Path | None:
    """Where the files of a DeepSpeed checkpoint are; None where ``folder`` is none.

    Raises :class:`model.checkpoint.CheckpointError` where ``latest`` names no folder beside it.
    """
    tag = LIGHTNING_TAG
    if (folder / LATEST).is_file():
        tag = (folder / LATEST).read_text(encoding="utf-8", errors="replace").strip()
        if not is_plain_name(tag) or not (folder / tag).is_dir():
            raise CheckpointError(f"{folder / LATEST}: expected a folder beside it, got {tag!r}")
    for candidate in (folder / tag, folder):
        if any(candidate.glob(f"*{MODEL_STATES}")):
            return candidate
    return None


def read_zero_folder(folder: Path) -> TorchFile:
    """The float32 weights by name; where no process left its part, those of the model file, in the
    precision that the model computed in.

    Raises :class:`model.checkpoint.CheckpointError` for parts that are missing or do not fit, and
    for ZeRO's stage 3, which cuts up the weights themselves.
    """
    if not (folder / MODEL_STATES).is_file():
        raise CheckpointError(f"{folder}: expected {MODEL_STATES} (ZeRO stage 1 or 2); {ADVICE}")
    model = read_torch_file(folder / MODEL_STATES)
    parts = [read_torch_file(path) for path in _optimizer_states(folder)]
    passed_over = {name for file in (model, *parts) for name in file.passed_over}
    try:
        weights = dict(model.content["module"])
        if parts:
            groups = _whole_groups([part.content["optimizer_state_dict"] for part in parts])
            weights.update(_cut(groups, model.content["param_shapes"]))
            weights.update(model.content.get("frozen_param_fragments") or {})
            shared = model.content.get("shared_params") or {}
            weights.update({name: weights[source] for name, source in shared.items()})
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        problem = f"not a checkpoint of ZeRO stage 1 or 2 ({type(error).__name__}: {error})"
        raise CheckpointError(f"{folder}: {problem}; {ADVICE}") from error
    return TorchFile(weights, tuple(sorted(passed_over)))


def _optimizer_states(folder: Path) -> list[Path]:
    """The files of all processes, in their order."""
    found = {}
    for path in folder.iterdir():
        match = OPTIMIZER_STATES.fullmatch(path.name)
        if match:
            found[int(match.group(1))] = path
    missing = sorted(set(range(len(found))) - found.keys())
    if missing:
        raise CheckpointError(f"{folder}: expected the part of process {missing[0]}, found none")
    return [found[rank] for rank in sorted(found)]


def _whole_groups(processes: Sequence[Mapping[str, Any]]) -> list[Tensor]:
    """Each group of weights as one flat tensor."""
    counts = processes[0]["partition_count"]
    counts = list(counts) if isinstance(counts, (list, tuple)) else [counts]
    if any(count != len(processes) for count in counts):
        raise ValueError(f"expected the parts of {max(counts)} processes, got {len(processes)}")
    by_process = [process["single_partition_of_fp32_groups"] for process in processes]
    by_group = zip(*by_process, strict=True)
    return [torch.cat([part.flatten() for part in parts]) for parts in by_group]


def _cut(
    groups: Sequence[Tensor], shapes: Sequence[Mapping[str, Sequence[int]]]
) -> dict[str, Tensor]:
    """The weights that lie in each flat group one after the other; what follows them is padding."""
    weights = {}
    for group, named in zip(groups, shapes, strict=True):
        start = 0
        for name, shape in named.items():
            size = torch.Size(shape)
            weights[name] = group[start : start + size.numel()].reshape(size)
            start += size.numel()
    return weights
