"""Which GPU a worker may use. One is given to each worker where there are several."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
DRIVER = Path("/proc/driver/nvidia/gpus")


def visible_gpus(environment: Mapping[str, str], driver: Path = DRIVER) -> tuple[str, ...]:
    """Names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES has them: those that it
    lists, or all that NVIDIA's driver knows."""
    if VARIABLE in environment:
        listed = (name.strip() for name in environment[VARIABLE].split(","))
        return tuple(name for name in listed if name and name != "-1")
    try:
        return tuple(str(number) for number, _ in enumerate(driver.iterdir()))
    except OSError:
        return ()


def pin_gpu(place: int, environment: MutableMapping[str, str], driver: Path = DRIVER) -> None:
    """Leaves the worker at this place one of several GPUs, in turn; before CUDA is used."""
    gpus = visible_gpus(environment, driver)
    if len(gpus) > 1:
        environment[VARIABLE] = gpus[place % len(gpus)]


def pinned_gpu() -> int | None:
    """Number of the only GPU that this process may use; None where nothing says so."""
    gpus = os.environ.get(VARIABLE, "").split(",")
    return int(gpus[0]) if len(gpus) == 1 and gpus[0].isdecimal() else None
