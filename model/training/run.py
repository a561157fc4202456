"""A training run from settings to checkpoint."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from model.checkpoint import load_config, load_weights
from model.config import ConfigError, ModelConfig
from model.driving import DrivingModel
from model.language import add_lora
from model.pretrained import load_pretrained
from model.training.data_module import DrivingDataModule
from model.training.data_report import DataReport
from model.training.keep import STATE_FILE, KeepBest, KeepState, export
from model.training.module import DrivingModule
from model.training.predictions import PredictionPictures
from model.training.progress import Throughput, ValidationTable
from model.training.settings import TrainingSettings

INDEX_FILE = "index.npz"


def train(settings: TrainingSettings) -> Path:
    """Run, or go on with, a training; returns the folder of the exported checkpoint.

    Raises:
        ConfigError, CheckpointError, DatasetError: with what is wrong and where.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    # The sampler resumes by itself; Lightning cannot know.
    warnings.filterwarnings("ignore", ".*your dataloader is not resumable")
    lightning.seed_everything(settings.seed, workers=True, verbose=False)
    output = Path(settings.output)
    output.mkdir(parents=True, exist_ok=True)
    config = settings.model_config()
    state = output / STATE_FILE
    resumes = settings.resume and state.is_file()
    model = DrivingModel(config) if resumes else first_model(settings, config)
    module = DrivingModule(model, settings.optim, settings.loss_weights)
    table = ValidationTable(output)
    trainer = build_trainer(settings, config, output, table)
    index_file = output / INDEX_FILE
    if trainer.is_global_zero and not resumes:
        index_file.unlink(missing_ok=True)
    data = DrivingDataModule(settings.data, config, settings.seed, index_file)
    trainer.fit(module, data, ckpt_path=state if resumes else None, weights_only=True)
    if table.outdated and len(data.validation):
        # The run was to end in mid-epoch, by trainer.max_steps.
        trainer.validate(module, datamodule=data, verbose=False)
    exported = output / "checkpoint"
    export(trainer, config, exported)
    return exported


def first_model(settings: TrainingSettings, config: ModelConfig) -> DrivingModel:
    """The weights of ``settings.checkpoint``; or new ones, in part those of ``pretrained``."""
    if not settings.checkpoint:
        model = DrivingModel(config)
        if settings.pretrained:
            load_pretrained(model, settings.pretrained)
        return model
    stored = load_config(settings.checkpoint)
    language = replace(config.language, lora=stored.language.lora)
    model = DrivingModel(replace(config, language=language))
    load_weights(model, settings.checkpoint)
    if config.language.lora and not stored.language.lora:
        # Adapters are added to what was learned; the names of the weights change with them.
        add_lora(model.language_model.model)
        model.config = config
    return model


def build_trainer(
    settings: TrainingSettings, config: ModelConfig, output: Path, table: ValidationTable
) -> lightning.Trainer:
    """Lightning's trainer with a log, and with the run's state kept in ``output``."""
    trainer = settings.trainer
    callbacks: list[Callback] = [
        Throughput(settings.print_every_s),
        table,
        KeepBest(output, config),
        PredictionPictures(output, settings.pictures.samples, settings.pictures.every),
        DataReport(output, settings.data.max_broken_share),
        KeepState(output, settings.keep.every_minutes, settings.keep.every_steps),
        LearningRateMonitor("step"),
    ]
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
        num_sanity_val_steps=1,
        use_distributed_sampler=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=build_logger(settings.logger, output),
        callbacks=callbacks,
    )


def build_logger(kind: str, output: Path) -> Logger:
    """Where curves go: TensorBoard's files in ``output/log``, or Weights & Biases."""
    if kind == "tensorboard":
        return TensorBoardLogger(output, name="", version="log")
    try:
        return WandbLogger(project="simlingo-base", name=output.name, save_dir=output)
    except ModuleNotFoundError as error:
        raise ConfigError(f"logger: wandb is not installed (pip install wandb): {error}") from error
