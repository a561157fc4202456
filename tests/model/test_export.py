from pathlib import Path

import pytest
import torch

from model.export import ExportError, export, export_stages, main
from model.runtime import Runtime
from tests.model.samples import PADDED, make_model


def test_exported_program_computes_what_the_model_does(tmp_path: Path) -> None:
    path = tmp_path / "policy.pt2"
    assert export(make_model(), path) <= 1e-4
    assert path.stat().st_size > 0


@pytest.mark.slow
def test_onnx_computes_what_the_model_does(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs the package {package}: pip install {package}")
    assert export(make_model(PADDED), tmp_path / "policy.onnx") <= 1e-3


@pytest.mark.slow
def test_stages_compute_what_the_model_does(tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs the package {package}: pip install {package}")
    model = make_model(PADDED)
    assert export_stages(model, tmp_path / "onnx") <= 1e-4
    assert Runtime(model, "cpu", onnx_folder=tmp_path / "onnx").backend == "onnx"


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"expected a name ending in .pt2 or .onnx"):
        export(make_model(), tmp_path / "policy.trt")


@pytest.mark.parametrize("name", ["missing/policy.pt2", "folder.pt2"])
def test_a_place_that_cannot_be_written_to_is_found_before_the_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*arguments: object) -> None:
        raise AssertionError("the work has begun")

    (tmp_path / "folder.pt2").mkdir()
    monkeypatch.setattr("model.export.load_checkpoint", too_late)
    monkeypatch.setattr("sys.argv", ["export", "checkpoint", "--to", str(tmp_path / name)])
    with pytest.raises(SystemExit, match=r"error: .*\.pt2: expected a file in a folder that is"):
        main()


def test_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.export.find_spec", lambda name: None)
    with pytest.raises(ExportError, match="expected the package onnx, found none"):
        export(make_model(), tmp_path / "policy.onnx")


def test_a_difference_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(policy: torch.nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> object:
        return tuple(output + 0.01 for output in policy(*inputs))

    monkeypatch.setattr("model.export._export_program", wrong)
    with pytest.raises(ExportError, match=r"differs from the model by 0\.01"):
        export(make_model(), tmp_path / "policy.pt2")
