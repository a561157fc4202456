"""One small dataset for all tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.index import DatasetIndex, load_index
from model.training.synthetic import write_dataset


@pytest.fixture(scope="session")
def dataset_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dataset")
    write_dataset(root, drives=3)
    return root


@pytest.fixture(scope="session")
def dataset_index(dataset_root: Path) -> DatasetIndex:
    return load_index(dataset_root, "training").from_frame(10)
