"""Train and export a checkpoint: ``python -m model.training experiment=nano data.root=DIR``."""

from __future__ import annotations

import sys

import hydra
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from model.checkpoint import CheckpointError
from model.config import ConfigError
from model.training.index import DatasetError
from model.training.run import train
from model.training.settings import from_hydra


@hydra.main(version_base="1.3", config_path="config", config_name="train")
def main(config: DictConfig) -> None:
    try:
        exported = train(from_hydra(config))
    except (ConfigError, CheckpointError, DatasetError) as error:
        sys.exit(f"error: {error}")
    except SIGTERMException:
        sys.exit("stopped by SIGTERM; the same command goes on from the state that was kept")
    print(f"Checkpoint: {exported}")


if __name__ == "__main__":
    main()
