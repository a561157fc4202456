#!/usr/bin/env bash
# Lightning counts on within the epoch when it resumes from a checkpoint that was saved in its
# middle, but the loader starts at its first sample: the samples that were seen are seen again, and
# as many at the epoch's end are left out. A warning speaks of unreliable results and not of that.
# A job that is always stopped before the epoch's end never sees the last samples.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check lightning==2.6.6 torch==2.13.0
cat > show.py <<'PY'
import logging
import warnings
from importlib.metadata import version

import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

SAMPLES = 10
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=".*(num_workers|logging interval|lr_scheduler).*")


class Model(LightningModule):
    """Remembers which samples it is trained with."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[int] = []

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        self.seen.append(int(batch[0]))
        return self.layer(batch[0]).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(until: int, checkpoint: str | None = None) -> list[int]:
    """The samples that are seen up to this step; saves a checkpoint at the end."""
    model = Model()
    loader = DataLoader(TensorDataset(torch.arange(float(SAMPLES)).unsqueeze(1)), batch_size=1)
    trainer = Trainer(
        max_epochs=-1, max_steps=until, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False,
    )
    trainer.fit(model, loader, ckpt_path=checkpoint)
    trainer.save_checkpoint("last.ckpt")
    return model.seen


print("lightning", version("lightning"), "torch", version("torch"))
first = train(4)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    resumed = train(SAMPLES, "last.ckpt")
told = [str(one.message) for one in said if "resum" in str(one.message)]
print("an epoch of samples 0 to 9, stopped after", first, "and resumed:", resumed)
print("the warning:", *told)
print("expected: 4 to 9 in the resumed part, or an error.")
assert first == [0, 1, 2, 3], first
assert resumed == [0, 1, 2, 3, 4, 5], resumed
assert len(told) == 1 and "unreliable results" in told[0] and "again" not in told[0], told
PY
venv/bin/python show.py
