#!/usr/bin/env bash
# The state of torch's learning rate schedulers holds their settings too, and load_state_dict()
# sets them without a word: a training that is resumed to go on for longer, with a scheduler made
# for the new number of steps, has the old schedule. OneCycleLR raises when the old number is over,
# CosineAnnealingLR raises the rate again from there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
cat > show.py <<'PY'
from importlib.metadata import version

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> OneCycleLR:
    return OneCycleLR(optimizer, max_lr=1.0, total_steps=steps)


def rates(kind: type, steps: int, stop: int | None = None) -> list[float] | str:
    """The rates of a training of 200 steps; stopped and resumed from a plan of 100 where told."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = kind(optimizer, 100 if stop else steps)
    found: list[float] = []
    for step in range(200):
        if step == stop:
            saved = optimizer.state_dict(), scheduler.state_dict()
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
            scheduler = kind(optimizer, steps)
            optimizer.load_state_dict(saved[0])
            scheduler.load_state_dict(saved[1])
        found.append(round(optimizer.param_groups[0]["lr"], 2))
        optimizer.step()
        try:
            scheduler.step()
        except ValueError as error:
            return f"ValueError in step {step + 1}: {error}"
    return found[::50] + found[-1:]


print("torch", version("torch"))
print("rates in steps 1, 51, 101, 151, 200 of a training of 200 steps")
print("CosineAnnealingLR(T_max=200):               ", rates(CosineAnnealingLR, 200))
print("the same, with the state of T_max=100:      ", rates(CosineAnnealingLR, 200, 50))
print("OneCycleLR(total_steps=200):                ", rates(one_cycle, 200))
print("the same, with the state of total_steps=100:", rates(one_cycle, 200, 50))
print("expected: the new number of steps from step 51 on, or an error or a warning there.")
cosine, cycle = rates(CosineAnnealingLR, 200, 50), rates(one_cycle, 200, 50)
assert cosine == [1.0, 0.5, 0.0, 0.5, 1.0], cosine
assert str(cycle).startswith("ValueError in step 101"), cycle
assert isinstance(rates(one_cycle, 200), list)
PY
venv/bin/python show.py
