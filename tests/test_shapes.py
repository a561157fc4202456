"""Shape annotations are checked while the tests run; a wrong one fails."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
from jaxtyping import TypeCheckError, install_import_hook

from tests.model.samples import make_model
from tests.shapes import modules_with_shapes

HALVED = """
from jaxtyping import Float
from torch import Tensor

def halved(points: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
    return points[: len(points) // 2]
"""


def test_the_network_states_its_shapes() -> None:
    assert {"model.driving", "model.vision", "model.training.dataset"} <= set(modules_with_shapes())


def test_the_network_takes_no_tensor_of_another_shape() -> None:
    with pytest.raises(TypeCheckError, match="batch queries width"):
        make_model().driving_adaptor(torch.zeros(30, 32))


def test_an_annotation_that_does_not_hold_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrongly_annotated.py").write_text(HALVED)
    monkeypatch.syspath_prepend(tmp_path)
    with install_import_hook("wrongly_annotated", "beartype.beartype"):
        module = importlib.import_module("wrongly_annotated")
    with pytest.raises(TypeCheckError, match="return value of wrongly_annotated"):
        module.halved(torch.zeros(4, 2))
