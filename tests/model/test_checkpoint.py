import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from model.checkpoint import (
    CheckpointError,
    load_checkpoint,
    load_config,
    load_strictly,
    save_checkpoint,
)
from model.config import DEBUG
from tests.model.samples import make_input, make_model, variant


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    save_checkpoint(make_model(), tmp_path)
    return tmp_path


def test_round_trip_predicts_the_same(directory: Path) -> None:
    model, loaded = make_model(), load_checkpoint(directory)
    with torch.no_grad():
        torch.testing.assert_close(loaded(make_input()), model(make_input()), atol=0, rtol=0)
    assert load_config(directory) == model.config
    assert not loaded.training


def change_weights(directory: Path, **changes: torch.Tensor | None) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path) | changes
    save_file({key: w for key, w in weights.items() if w is not None}, path)


KEY = "driving_adaptor.query_embeds_wps"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({KEY: None}, f"model.safetensors: missing key {KEY}"),
        ({"colour": torch.zeros(1)}, "model.safetensors: unknown key colour"),
        ({KEY: torch.full((1, 20, 32), float("nan"))}, f"{KEY}: expected finite numbers, got 640"),
        ({KEY: torch.full((1, 20, 32), float("inf"))}, f"{KEY}: expected finite numbers, got 640"),
        ({KEY: torch.zeros(1, 20, 32).long()}, rf"{KEY}: expected torch.float32.*got torch\.int64"),
        ({KEY: torch.zeros(1, 20, 32).bool()}, rf"{KEY}: expected torch.float32.*got torch\.bool"),
        ({KEY: torch.zeros(1, 20, 8)}, rf"{KEY}: expected shape \(1, 20, 32\), got \(1, 20, 8\)"),
    ],
)
def test_first_differing_key_is_named(
    directory: Path, changes: dict[str, torch.Tensor | None], message: str
) -> None:
    change_weights(directory, **changes)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(directory)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_point_types_are_read(directory: Path, dtype: torch.dtype) -> None:
    change_weights(directory, **{KEY: torch.full((1, 20, 32), 0.5, dtype=dtype)})
    assert (load_checkpoint(directory).state_dict()[KEY] == 0.5).all()


def test_counters_stay_counters(directory: Path) -> None:
    norm = nn.BatchNorm1d(2)
    weights = norm.state_dict() | {"num_batches_tracked": torch.tensor(3.0)}
    with pytest.raises(CheckpointError, match=r"num_batches_tracked: expected torch\.int64, got"):
        load_strictly(norm, weights, "weights")


def test_nothing_is_loaded_from_what_does_not_fit() -> None:
    model, before = make_model(), make_model().state_dict()
    weights = make_model(seed=1).state_dict()
    weights[max(weights)] = torch.full_like(weights[max(weights)], float("nan"))
    with pytest.raises(CheckpointError, match="expected finite numbers"):
        load_strictly(model, weights, "weights")
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key]), key


def test_a_model_that_does_not_fit_is_never_built(directory: Path) -> None:
    layers = dataclasses.replace(DEBUG.language, layers=100, hidden_size=2048, mlp_size=8192)
    vast = variant(language=layers)
    (directory / "config.json").write_text(vast.to_json())
    with pytest.raises(CheckpointError, match=r"model\.safetensors: "):
        # 27 GB, were they built.
        load_checkpoint(directory)


def test_truncated_weights_are_refused(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_checkpoint(directory)


def test_another_presets_weights_are_refused(directory: Path) -> None:
    other = variant(vision={"token_size": 32})
    (directory / "config.json").write_text(other.to_json())
    with pytest.raises(CheckpointError, match=r"model\.safetensors: "):
        load_checkpoint(directory)


def test_damaged_configuration_names_file_and_key(directory: Path) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"colour": 1}))
    with pytest.raises(CheckpointError, match=r"config\.json: colour: unknown key"):
        load_checkpoint(directory)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_checkpoint(directory)
