#!/usr/bin/env bash
# The binary metrics of torchmetrics take predictions for logits when some of a batch lie outside 0
# to 1, and for probabilities otherwise, which the manual says. It decides so for each update: in a
# batch whose logits all happen to lie between 0 and 1 the threshold is a logit of 0.5 instead of
# 0. The same logits have another accuracy in other batches, and no warning comes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0
cat > show.py <<'PY'
from importlib.metadata import version

import torch
from torchmetrics.classification import BinaryAccuracy

# 1000 logits of a brake that is seldom on, and what the expert did.
generator = torch.Generator().manual_seed(0)
logits = torch.randn(1000, generator=generator) * 0.5 + 0.3
braked = (torch.rand(1000, generator=generator) < torch.sigmoid(4 * logits)).long()


def accuracy(batch: int, values: torch.Tensor) -> float:
    """Over all 1000, given to the metric in batches of this size."""
    metric = BinaryAccuracy()
    for start in range(0, 1000, batch):
        metric.update(values[start : start + batch], braked[start : start + batch])
    return round(float(metric.compute()), 3)


BATCHES = (1, 2, 4, 8, 1000)
by_hand = round(float(((logits > 0) == braked.bool()).float().mean()), 3)
of_logits = [accuracy(batch, logits) for batch in BATCHES]
of_probabilities = [accuracy(batch, torch.sigmoid(logits)) for batch in BATCHES]
print("torchmetrics", version("torchmetrics"), "torch", version("torch"))
print("batch size:               ", *(f"{batch:5}" for batch in BATCHES))
print("accuracy of logits:       ", *(f"{value:.3f}" for value in of_logits))
print("accuracy of probabilities:", *(f"{value:.3f}" for value in of_probabilities))
print(f"expected: {by_hand} everywhere.")
assert set(of_probabilities) == {by_hand}, of_probabilities
assert of_logits[-1] == by_hand and of_logits[0] < by_hand - 0.1, of_logits
PY
venv/bin/python show.py
