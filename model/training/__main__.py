"""Train and export a checkpoint: ``python -m model.training experiment=nano data.root=DIR``."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf

from model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.config import PRESETS, ConfigError
from model.driving import DrivingModel
from model.training.data_module import DrivingDataModule
from model.training.index import DatasetError
from model.training.module import DrivingModule
from model.training.settings import TrainingSettings, from_hydra


def train(settings: TrainingSettings) -> Path:
    """Run, or go on with, a training; returns the folder of the exported checkpoint."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    output = Path(settings.output)
    model = DrivingModel(PRESETS[settings.model])
    if settings.checkpoint:
        model = load_checkpoint(settings.checkpoint).train()
    last = output / "last.ckpt"
    trainer = build_trainer(settings, output)
    trainer.fit(
        DrivingModule(model, settings.optim),
        DrivingDataModule(settings.data, model.config, settings.seed),
        ckpt_path=last if settings.resume and last.is_file() else None,
        weights_only=True,
    )
    exported = output / "checkpoint"
    if trainer.is_global_zero:
        save_checkpoint(model, exported)
    return exported


def build_trainer(settings: TrainingSettings, output: Path) -> lightning.Trainer:
    """Lightning's trainer with a log, and with the run's state kept in ``output/last.ckpt``."""
    trainer = settings.trainer
    state = ModelCheckpoint(dirpath=output, filename="last", enable_version_counter=False)
    return lightning.Trainer(
        max_epochs=trainer.max_epochs,
        max_steps=trainer.max_steps,
        accelerator=trainer.accelerator,
        devices=trainer.devices,
        num_nodes=trainer.num_nodes,
        strategy=trainer.strategy,
        precision=trainer.precision,  # type: ignore[arg-type]
        gradient_clip_val=trainer.gradient_clip_val,
        accumulate_grad_batches=trainer.accumulate_grad_batches,
        check_val_every_n_epoch=trainer.check_val_every_n_epoch,
        log_every_n_steps=trainer.log_every_n_steps,
        logger=TensorBoardLogger(output, name="", version="log"),
        callbacks=[state, LearningRateMonitor("step")],
    )


@hydra.main(version_base="1.3", config_path="config", config_name="train")
def main(config: DictConfig) -> None:
    try:
        settings = from_hydra(config)
        output = Path(settings.output)
        output.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, output / "settings.yaml", resolve=True)
        exported = train(settings)
    except (ConfigError, CheckpointError, DatasetError) as error:
        sys.exit(f"error: {error}")
    print(f"Checkpoint: {exported}")


if __name__ == "__main__":
    main()
