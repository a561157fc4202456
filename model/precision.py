"""Keep arithmetic in float32 where half precision would move the car.

In bfloat16 a cumulative sum over 20 route points errs by up to 0.85 m and a target point by 0.7 m,
so encoders of speed and targets, heads and sums leave autocast.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Switch autocast off for the device of ``tensor``, where it is on."""
    device = tensor.device.type
    if torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()
