"""A training run from settings to checkpoint."""

from __future__ import annotations

import pickle
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import lightning
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

from model.checkpoint import CheckpointError, load_config, load_weights
from model.config import ConfigError, ModelConfig
from model.driving import DrivingModel
from model.language import add_lora
from model.pretrained import load_pretrained
from model.strict_json import require
from model.training.averaging import with_average
from model.training.checkpointing import STATE_FILE, KeepBest, KeepState, export
from model.training.data_module import DrivingDataModule
from model.training.data_report import DataReport
from model.training.layout import BEST, EXPORTED, INDEX_FILE, MADE_UP_DATA, SETTINGS_FILE
from model.training.module import DrivingModule
from model.training.predictions import PredictionImages
from model.training.settings import (
    TrainerSettings,
    TrainingSettings,
    require_same_run,
    write_settings,
)
from model.training.synthetic import write_dataset
from model.training.throughput import Throughput, ValidationTable

FP16_LOSS_SCALE = 32.0


def train(settings: TrainingSettings) -> Path:
    """Run, or go on with, a training; returns the folder of the exported checkpoint.

    The settings are kept in ``settings.yaml`` beside it.

    Raises:
        ConfigError, CheckpointError, DatasetError: with what is wrong and where.
        SIGTERMException: the run was told to stop; its state is kept.
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
    resumes = settings.resume and state.exists()
    if resumes:
        require_same_run(settings, output / SETTINGS_FILE)
        require_readable(state)
    precision, autocast = precision_of(settings.trainer)
    loss_scale = loss_scale_of(autocast)
    model = DrivingModel(config) if resumes else first_model(settings, config)
    module = DrivingModule(
        model, settings.optim, settings.loss_weights, autocast, loss_scale=loss_scale
    )
    table = ValidationTable(output)
    trainer = build_trainer(settings, config, output, table, precision, loss_scale)
    if trainer.is_global_zero:
        write_settings(settings, output / SETTINGS_FILE)
        if settings.data.root is None:
            make_up_data(output / MADE_UP_DATA, config)
    index_file = output / INDEX_FILE
    if trainer.is_global_zero and not resumes:
        index_file.unlink(missing_ok=True)
    root = Path(settings.data.root or output / MADE_UP_DATA)
    data = DrivingDataModule(settings.data, root, config, settings.seed, index_file)
    trainer.fit(module, data, ckpt_path=state if resumes else None, weights_only=True)
    if table.outdated and len(data.validation):
        # The run was to end in mid-epoch, by trainer.max_steps.
        trainer.validate(module, datamodule=data, verbose=False)
    exported = output / EXPORTED
    export(trainer, config, exported)
    return exported


def make_up_data(root: Path, config: ModelConfig) -> None:
    """Write a small dataset for the model's cameras, unless it is there."""
    partial = root.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if not root.is_dir():
        write_dataset(partial, config.cameras)
        partial.rename(root)


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


def require_readable(state: Path) -> None:
    """Raises :class:`model.checkpoint.CheckpointError` for a damaged state of a run."""
    if state.is_dir():
        return  # DeepSpeed's, which has checks of its own.
    try:
        torch.load(state, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{state}: the run's state is damaged ({error}); start anew with resume=false, from "
            f"checkpoint={state.parent / BEST} if that is there"
        ) from error


def precision_of(trainer: TrainerSettings) -> tuple[str, torch.dtype | None]:
    """Lightning's precision, and the type that the module computes in by itself.

    DeepSpeed would turn weights and inputs to half precision, heads and coordinates included; so it
    is told of single precision, and mixing is left to autocast as under every other strategy.
    """
    if not trainer.strategy.startswith("deepspeed") or trainer.precision == "32-true":
        return trainer.precision, None
    mixed = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    fits = trainer.precision in mixed
    require(fits, "trainer.precision", "bf16-mixed, 16-mixed or 32-true with DeepSpeed", trainer)
    return "32-true", mixed[trainer.precision]


def loss_scale_of(autocast: torch.dtype | None) -> float:
    """What the loss is multiplied by, so that small gradients are not 0 in half precision: as in
    SimLingo's configuration. Lightning sees to it under every other strategy."""
    return FP16_LOSS_SCALE if autocast is torch.float16 else 1.0


def build_trainer(
    settings: TrainingSettings,
    config: ModelConfig,
    output: Path,
    table: ValidationTable,
    precision: str,
    loss_scale: float,
) -> lightning.Trainer:
    """Lightning's trainer with a log, and with the run's state kept in ``output``."""
    trainer = settings.trainer
    callbacks: list[Callback] = [
        Throughput(settings.print_every_s),
        table,
        KeepBest(output, config),
        PredictionImages(output, settings.images.samples, settings.images.every),
        DataReport(output, settings.data.max_broken_share),
        KeepState(output, settings.keep.every_minutes, settings.keep.every_steps),
        LearningRateMonitor("step"),
    ]
    if settings.optim.ema > 0.0:
        callbacks = with_average(settings.optim.ema, callbacks)
    # Lightning would keep, and look for, a state of its own in the folder that it was started in.
    slurm = SLURMEnvironment(auto_requeue=False) if SLURMEnvironment.detect() else None
    try:
        return lightning.Trainer(
            max_epochs=trainer.max_epochs,
            max_steps=trainer.max_steps,
            accelerator=trainer.accelerator,
            devices=trainer.devices,
            num_nodes=trainer.num_nodes,
            strategy=trainer.strategy,
            precision=precision,  # type: ignore[arg-type]
            gradient_clip_val=loss_scale * trainer.gradient_clip_val,
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
            default_root_dir=output,
            plugins=slurm,
        )
    except (MisconfigurationException, ModuleNotFoundError, ValueError, RuntimeError) as error:
        raise ConfigError(f"trainer: {error}") from error


def build_logger(kind: str, output: Path) -> Logger:
    """Where curves go: TensorBoard's files in ``output/log``, or Weights & Biases."""
    if kind == "tensorboard":
        return TensorBoardLogger(output, name="", version="log")
    try:
        return WandbLogger(project="simlingo-base", name=output.name, save_dir=output)
    except ModuleNotFoundError as error:
        raise ConfigError(f"logger: wandb is not installed (pip install wandb): {error}") from error
