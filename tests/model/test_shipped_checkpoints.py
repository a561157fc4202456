"""Every checkpoint that was ever in this repository still loads.

`shipped/` holds the configuration of each and the names, types and shapes of its weights, not the
weights; `python -m tests.model.shipped_checkpoints COMMIT` adds one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from model.checkpoint import (
    CONFIG_FILE,
    SCHEMA_KEY,
    SCHEMA_VERSION,
    SHIPPED,
    WEIGHTS_FILE,
    CheckpointError,
    load_checkpoint,
    load_config,
)
from tests.model.shipped_checkpoints import FOLDER, describe

RECORDS = sorted(FOLDER.glob("*.json"))
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


def write(record: dict[str, Any], folder: Path) -> Path:
    """A checkpoint as it was, with weights that are all zero."""
    (folder / CONFIG_FILE).write_text(json.dumps(record["config"]))
    weights = {
        name: torch.zeros(shape, dtype=DTYPES[dtype])
        for name, (dtype, shape) in record["tensors"].items()
    }
    save_file(weights, folder / WEIGHTS_FILE)
    return folder


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_every_shipped_checkpoint_loads(record: Path, tmp_path: Path) -> None:
    content = json.loads(record.read_text())
    model = load_checkpoint(write(content, tmp_path))
    assert set(model.state_dict()) == set(content["tensors"])


@pytest.mark.parametrize("checkpoint", sorted(SHIPPED.iterdir()), ids=lambda path: path.name)
def test_what_is_shipped_today_is_among_them(checkpoint: Path) -> None:
    today = describe(
        (checkpoint / CONFIG_FILE).read_text(), (checkpoint / WEIGHTS_FILE).read_bytes()
    )
    recorded = [json.loads(record.read_text()) for record in RECORDS]
    for entry in [today, *recorded]:
        entry.pop("commits", None)
        entry["config"].pop(SCHEMA_KEY, None)
    assert today in recorded, "python -m tests.model.shipped_checkpoints HEAD"


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_checkpoint_of_another_schema_is_refused(version: object, tmp_path: Path) -> None:
    content = json.loads((SHIPPED / "nano" / CONFIG_FILE).read_text())
    assert content[SCHEMA_KEY] == SCHEMA_VERSION
    (tmp_path / CONFIG_FILE).write_text(json.dumps(content | {SCHEMA_KEY: version}))
    with pytest.raises(CheckpointError, match="schema_version: expected 1, got"):
        load_config(tmp_path)


@pytest.mark.parametrize("checkpoint", sorted(SHIPPED.iterdir()), ids=lambda path: path.name)
def test_a_model_card_stands_beside_each(checkpoint: Path) -> None:
    card = (checkpoint / "README.md").read_text()
    for heading in ("Data", "Training", "Scores", "Limits", "Licence"):
        assert f"## {heading}" in card
