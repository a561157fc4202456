"""What two runs are told apart by."""

from __future__ import annotations

from pathlib import Path

from model.conditions import digests


def test_a_model_card_is_no_condition(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "vision.onnx").write_bytes(b"stage")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    before = digests(tmp_path)
    assert sorted(before) == ["config.json", "onnx/vision.onnx"]

    (tmp_path / "README.md").write_text("Scores", encoding="utf-8")
    assert digests(tmp_path) == before
    (tmp_path / "onnx" / "vision.onnx").write_bytes(b"another")
    assert digests(tmp_path) != before
