import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from agent.settings import DEFAULT_CHECKPOINT
from model.checkpoint import load_checkpoint
from model.driving import DrivingModel
from model.export import random_input
from model.onnx_stages import FOLDER, STAGE_FILES, digest
from model.runtime import DeviceError, Runtime
from tests.model.samples import make_model

SHIPPED = DEFAULT_CHECKPOINT / FOLDER
PARITY_M = 1e-4
"""What the shipped stages may differ from torch: the bound on which they are the default."""

needs_onnxruntime = pytest.mark.skipif(
    find_spec("onnxruntime") is None, reason="needs the package onnxruntime: pip install it"
)


@pytest.fixture(scope="module")
def shipped() -> DrivingModel:
    return load_checkpoint(DEFAULT_CHECKPOINT)


@needs_onnxruntime
def test_the_shipped_stages_plan_what_the_shipped_weights_plan(shipped: DrivingModel) -> None:
    fast = Runtime(shipped, "cpu", onnx_folder=SHIPPED)
    exact = Runtime(shipped, "cpu", backend="eager")
    assert (fast.backend, exact.backend) == ("onnx", "eager")
    for seed in range(5):
        images, speeds, route = random_input(shipped.config, seed)
        views = images[0, 0].permute(0, 2, 3, 1).numpy()
        ours = fast.predict(views, speeds[0].numpy(), route[0].numpy())
        wanted = exact.predict(views, speeds[0].numpy(), route[0].numpy())
        np.testing.assert_allclose(ours.route, wanted.route, atol=PARITY_M)
        np.testing.assert_allclose(ours.speed_wps, wanted.speed_wps, atol=PARITY_M)
        assert tuple(ours.stage_ms) == tuple(wanted.stage_ms)


def test_the_digest_is_of_the_weights_of_the_checkpoint(shipped: DrivingModel) -> None:
    """Not of what is computed from them, whose last bits hang on the processor."""
    one, other = make_model(), make_model()
    other.load_state_dict(one.state_dict())
    assert digest(one) == digest(other) != digest(shipped)
    names = list(one.state_dict())
    with torch.no_grad():
        for name in (names[0], names[-1]):
            weight = other.state_dict()[name]
            kept = weight.clone()
            weight += 1.0
            assert digest(one) != digest(other)
            weight.copy_(kept)
    assert digest(one) == digest(other)


@needs_onnxruntime
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("other weights", "made from other weights"),
        ("cut short", "cannot be read"),
        ("missing", r"vision\.onnx: not there; python -m model\.export CHECKPOINT --stages"),
    ],
)
def test_stages_that_do_not_fit_are_named_and_torch_drives(
    damage: str,
    message: str,
    shipped: DrivingModel,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / FOLDER
    shutil.copytree(SHIPPED, folder)
    file = folder / STAGE_FILES["vision"]
    model = make_model() if damage == "other weights" else shipped
    if damage == "cut short":
        file.write_bytes(file.read_bytes()[:1000])
    if damage == "missing":
        file.unlink()
    with pytest.raises(DeviceError, match=message):
        Runtime(model, "cpu", backend="onnx", onnx_folder=folder)
    assert Runtime(model, "cpu", onnx_folder=folder).backend == "eager"
    if damage != "missing":
        assert "the network runs in torch" in caplog.text


def test_without_the_package_torch_drives(
    shipped: DrivingModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.onnx_stages.find_spec", lambda name: None)
    assert Runtime(shipped, "cpu", onnx_folder=SHIPPED).backend == "eager"
    with pytest.raises(DeviceError, match="needs the package onnxruntime"):
        Runtime(shipped, "cpu", backend="onnx", onnx_folder=SHIPPED)


def test_without_a_folder_there_is_no_onnx_backend(shipped: DrivingModel) -> None:
    with pytest.raises(DeviceError, match="onnx needs device=cpu and the files of"):
        Runtime(shipped, "cpu", backend="onnx")


def test_the_shipped_stages_tell_nothing_of_the_machine_that_wrote_them() -> None:
    for name in STAGE_FILES.values():
        assert b"stack_trace" not in (SHIPPED / name).read_bytes()
