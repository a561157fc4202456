from __future__ import annotations

from collections.abc import Iterator

import jaxtyping
import pytest

NARROW = (8, 8, 16, 16)


@pytest.fixture
def narrow_resnets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build ResNets a thirtieth as wide: the wiring is the same and the tests take no seconds."""
    monkeypatch.setattr("model.vision.RESNET34_WIDTHS", NARROW)
    monkeypatch.setattr("model.adaptors.RESNET18_WIDTHS", NARROW)


@pytest.fixture
def unchecked_shapes() -> Iterator[None]:
    """For tests that compile: torch.compile cannot trace what checks the shapes."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
