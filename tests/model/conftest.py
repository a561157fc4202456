from __future__ import annotations

import pytest

NARROW = (8, 8, 16, 16)


@pytest.fixture
def narrow_resnets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build ResNets a thirtieth as wide: the wiring is the same and the tests take no seconds."""
    monkeypatch.setattr("model.vision.RESNET34_WIDTHS", NARROW)
    monkeypatch.setattr("model.adaptors.RESNET18_WIDTHS", NARROW)
