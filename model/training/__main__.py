"""Train and export a checkpoint: ``python -m model.training experiment=nano data.root=DIR``."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from model.checkpoint import CheckpointError
from model.config import ConfigError
from model.training.index import DatasetError
from model.training.run import train
from model.training.settings import from_hydra, to_plain


@hydra.main(version_base="1.3", config_path="config", config_name="train")
def main(config: DictConfig) -> None:
    try:
        settings = from_hydra(config)
        output = Path(settings.output)
        output.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(to_plain(settings)), output / "settings.yaml")
        exported = train(settings)
    except (ConfigError, CheckpointError, DatasetError) as error:
        sys.exit(f"error: {error}")
    print(f"Checkpoint: {exported}")


if __name__ == "__main__":
    main()
