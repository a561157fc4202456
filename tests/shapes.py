"""Which modules state the shapes of their tensors."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).parents[1]
PACKAGES = ("agent", "evaluation", "model", "planner")


def modules_with_shapes() -> list[str]:
    """Names of the product's modules that use jaxtyping."""
    files = [file for package in PACKAGES for file in sorted((PROJECT / package).rglob("*.py"))]
    return [
        ".".join(file.relative_to(PROJECT).with_suffix("").parts)
        for file in files
        if "from jaxtyping import" in file.read_text(encoding="utf-8")
    ]
