"""Whole runs: two steps, export, exact resume, and what stops a run."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import lightning
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import OmegaConf
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from model.checkpoint import CheckpointError, load_checkpoint, load_config, save_checkpoint
from model.config import BASE, DEBUG, LANGUAGE_PRESETS, ConfigError
from model.driving import DrivingModel
from model.loss import driving_losses
from model.training import module, run
from model.training.checkpointing import put_in_place
from model.training.data_module import DrivingDataModule
from model.training.index import DatasetError, read_index
from model.training.module import DrivingModule, LossWeights
from model.training.optim import (
    OptimSettings,
    build_optimizer,
    decaying_weights,
    parameter_groups,
)
from model.training.predictions import PredictionImages
from model.training.settings import TrainingSettings, from_hydra
from model.training.synthetic import write_dataset, write_drive
from model.vision import LLaVAnextEncoderModel
from tests.model.samples import make_input, make_model

CONFIG = Path(run.__file__).parent / "config"


def settings_of(*overrides: str) -> TrainingSettings:
    with initialize_config_dir(str(CONFIG), version_base="1.3"):
        return from_hydra(compose("train", list(overrides)))


def debug_run(root: Path, output: Path, *overrides: str) -> TrainingSettings:
    return settings_of(
        "experiment=debug",
        f"data.root={root}",
        f"output={output}",
        "threads=1",
        "optim.lr=1e-3",
        *overrides,
    )


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_checkpoint(folder).state_dict()


class Kill(Callback):
    """Ends a run in the middle of an epoch as a power cut would: nothing is saved any more."""

    def __init__(self, after_batches: int) -> None:
        self.left = after_batches

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: object,
        batch_idx: int,
    ) -> None:
        if self.left == 0:
            raise ZeroDivisionError
        self.left -= 1


def killed_run(
    monkeypatch: pytest.MonkeyPatch, settings: TrainingSettings, after_batches: int
) -> None:
    build = run.build_trainer

    def with_kill(*arguments: object) -> lightning.Trainer:
        trainer = build(*arguments)  # type: ignore[arg-type]
        trainer.callbacks.append(Kill(after_batches))  # type: ignore[attr-defined]
        return trainer

    with monkeypatch.context() as patch:
        patch.setattr(run, "build_trainer", with_kill)
        with pytest.raises(ZeroDivisionError):
            run.train(settings)


def test_two_steps_and_export(dataset_root: Path, tmp_path: Path) -> None:
    settings = debug_run(dataset_root, tmp_path)
    torch.manual_seed(settings.seed)
    before = DrivingModel(DEBUG).state_dict()
    exported = run.train(settings)
    after = weights_of(exported)
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) > len(before) / 2
    assert (tmp_path / "best" / "config.json").is_file()
    rows = (tmp_path / "validation.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,loss,route 10 m")
    assert len(rows) == 2
    assert "-" not in rows[1].split(",")
    assert (tmp_path / "data_report.txt").read_text() == ""
    assert cv2.imread(str(tmp_path / "predictions" / "0000002.jpg")) is not None
    events = EventAccumulator(str(tmp_path / "log")).Reload().Tags()
    assert "predictions" in events["images"]
    assert {"train/loss", "validation/loss", "lr-AdamW/vision"} <= set(events["scalars"])


def test_a_run_that_ends_in_mid_epoch_is_validated(dataset_root: Path, tmp_path: Path) -> None:
    run.train(debug_run(dataset_root, tmp_path, "trainer.max_steps=1"))
    rows = (tmp_path / "validation.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows] == ["step", "1"]
    assert load_checkpoint(tmp_path / "best").config == DEBUG


@pytest.mark.slow
def test_two_processes(dataset_root: Path, tmp_path: Path) -> None:
    """Together they draw what one draws with a batch twice as large, so they learn the same."""
    # Every frame has a route; processes may differ in how many have all waypoints.
    only_route = "loss_weights.speed_wps_loss=0"
    settings = debug_run(dataset_root, tmp_path / "one", "data.batch_size=4", only_route)
    expected = weights_of(run.train(settings))
    command = [sys.executable, "-m", "model.training", "experiment=debug", "optim.lr=1e-3"]
    command += [f"data.root={dataset_root}", f"output={tmp_path / 'two'}", "threads=1", only_route]
    command += ["trainer.strategy=ddp", "trainer.devices=2", "data.batch_size=2"]
    subprocess.run(command, check=True, timeout=600)
    got = weights_of(tmp_path / "two" / "checkpoint")
    torch.manual_seed(settings.seed)
    before = DrivingModel(DEBUG).state_dict()
    learned = sum(float((expected[name] - before[name]).abs().sum()) for name in before)
    apart = sum(float((expected[name] - got[name]).abs().sum()) for name in before)
    assert apart < 0.05 * learned


@pytest.mark.parametrize(
    ("every_steps", "accumulate", "killed_after"),
    [
        (1, 1, 3),  # in the middle of the first epoch
        (1, 1, 5),  # behind its end
        (2, 1, 8),  # some batches after the last state
        (1, 2, 6),  # gradients of half a step are lost
        (0, 1, 7),  # states at the ends of epochs only
    ],
)
def test_a_killed_run_ends_with_the_same_weights(
    dataset_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every_steps: int,
    accumulate: int,
    killed_after: int,
) -> None:
    overrides = (
        "trainer.max_epochs=2",
        "data.samples_per_epoch=10",
        f"keep.every_steps={every_steps}",
        f"trainer.accumulate_grad_batches={accumulate}",
    )
    unbroken = run.train(debug_run(dataset_root, tmp_path / "unbroken", *overrides))
    broken = debug_run(dataset_root, tmp_path / "broken", *overrides)
    killed_run(monkeypatch, broken, killed_after)
    assert not (tmp_path / "broken" / "checkpoint").exists()
    resumed = run.train(broken)
    expected, got = weights_of(unbroken), weights_of(resumed)
    for name, weight in expected.items():
        assert torch.equal(weight, got[name]), name
    tables = [(tmp_path / name / "validation.csv").read_text() for name in ("unbroken", "broken")]
    assert tables[0] == tables[1]


def test_averaged_weights_are_what_is_exported(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[dict[str, Tensor]] = []

    class Note(Callback):
        def on_train_batch_end(
            self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, *_: object
        ) -> None:
            model = pl_module.model
            assert isinstance(model, DrivingModel)
            steps.append({name: value.clone() for name, value in model.state_dict().items()})

    build = run.build_trainer

    def noting(*arguments: object) -> lightning.Trainer:
        trainer = build(*arguments)  # type: ignore[arg-type]
        trainer.callbacks.append(Note())  # type: ignore[attr-defined]
        return trainer

    monkeypatch.setattr(run, "build_trainer", noting)
    settings = debug_run(
        dataset_root, tmp_path, "optim.ema=0.75", "trainer.max_epochs=2", "trainer.max_steps=3"
    )
    exported = weights_of(run.train(settings))
    assert len(steps) == 3
    average = steps[0]
    for step in steps[1:]:
        average = {name: 0.75 * value + 0.25 * step[name] for name, value in average.items()}
    torch.testing.assert_close(exported, average)
    assert any(not torch.equal(exported[name], value) for name, value in steps[-1].items())


def test_a_killed_run_keeps_its_average(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("trainer.max_epochs=2", "keep.every_steps=1", "optim.ema=0.5")
    unbroken = run.train(debug_run(dataset_root, tmp_path / "unbroken", *overrides))
    broken = debug_run(dataset_root, tmp_path / "broken", *overrides)
    killed_run(monkeypatch, broken, 1)
    run.train(broken)
    for folder in ("checkpoint", "best"):
        expected, got = (weights_of(tmp_path / name / folder) for name in ("unbroken", "broken"))
        torch.testing.assert_close(expected, got, rtol=0.0, atol=0.0)
    assert unbroken.is_dir()


def test_workers_change_nothing(dataset_root: Path, tmp_path: Path) -> None:
    alone = run.train(debug_run(dataset_root, tmp_path / "alone"))
    helped = run.train(debug_run(dataset_root, tmp_path / "helped", "data.workers=1"))
    expected, got = weights_of(alone), weights_of(helped)
    assert all(torch.equal(weight, got[name]) for name, weight in expected.items())


def test_resuming_with_another_order_is_refused(dataset_root: Path, tmp_path: Path) -> None:
    settings = debug_run(dataset_root, tmp_path)
    run.train(settings)
    (tmp_path / "settings.yaml").unlink()
    with pytest.raises(DatasetError, match="dealt out other batches"):
        run.train(dataclasses.replace(settings, seed=5))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=7", "seed: .* holds a run with 42, now 7"),
        ("++options.target_points=1", r"options\.target_points: .* with 'absent', now 1"),
        ("optim.lr=0.01", r"optim\.lr: .* with 0\.001, now 0\.01"),
        ("trainer.max_epochs=3", r"trainer\.max_epochs: .* with 1, now 3"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    override: str, message: str, dataset_root: Path, tmp_path: Path
) -> None:
    run.train(debug_run(dataset_root, tmp_path, "trainer.max_steps=1"))
    kept = (tmp_path / "settings.yaml").read_text()
    changed = debug_run(dataset_root, tmp_path, "trainer.max_steps=1", override)
    with pytest.raises(ConfigError, match=message):
        run.train(changed)
    assert (tmp_path / "settings.yaml").read_text() == kept
    elsewhere = ("trainer.max_steps=1", "data.workers=1", "keep.every_steps=5", "threads=2")
    run.train(debug_run(dataset_root, tmp_path, *elsewhere))


def test_a_run_of_an_earlier_version_goes_on(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("data.samples_per_epoch=10", "trainer.max_epochs=2", "keep.every_steps=1")
    unbroken = run.train(debug_run(dataset_root, tmp_path / "unbroken", *overrides))
    output = tmp_path / "old"
    settings = debug_run(dataset_root, output, *overrides)
    killed_run(monkeypatch, settings, 1)
    path = output / "settings.yaml"
    plain = OmegaConf.load(path)
    del plain.optim.ema, plain.loss_weights.light_loss, plain.loss_weights.obstacle_loss
    del plain.data.buckets.corrected
    OmegaConf.save(plain, path)
    with np.load(output / "index.npz") as arrays:
        old = {name: arrays[name] for name in arrays.files if name != "corrected"}
    np.savez(output / "index.npz", **old)

    asking = debug_run(dataset_root, output, *overrides, "loss_weights.light_loss=0.2")
    with pytest.raises(ConfigError, match=r"light_loss: .* holds a run with 0\.0, now 0\.2"):
        run.train(asking)
    expected, got = weights_of(unbroken), weights_of(run.train(settings))
    torch.testing.assert_close(expected, got, rtol=0.0, atol=0.0)


def test_a_damaged_state_is_named(dataset_root: Path, tmp_path: Path) -> None:
    settings = debug_run(dataset_root, tmp_path, "trainer.max_steps=1")
    run.train(settings)
    state = tmp_path / "last.ckpt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"last\.ckpt: .* damaged .*resume=false"):
        run.train(settings)
    run.train(dataclasses.replace(settings, resume=False))


def test_without_data_a_small_dataset_is_synthetic(tmp_path: Path) -> None:
    settings = settings_of("experiment=debug", f"output={tmp_path}", "threads=1")
    assert settings.data.root is None
    assert load_checkpoint(run.train(settings)).config == DEBUG
    assert (tmp_path / "synthetic" / "data").is_dir()


def test_a_run_that_is_told_to_stop_keeps_its_state(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ("data.samples_per_epoch=10", "keep.every_steps=0")
    unbroken = run.train(debug_run(dataset_root, tmp_path / "unbroken", *overrides))
    settings = debug_run(dataset_root, tmp_path / "stopped", *overrides)
    build = run.build_trainer

    class Stop(Callback):
        def on_train_batch_start(self, *arguments: object) -> None:
            if arguments[3] == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    def stopping(*arguments: object) -> lightning.Trainer:
        trainer = build(*arguments)  # type: ignore[arg-type]
        trainer.callbacks.append(Stop())  # type: ignore[attr-defined]
        return trainer

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(run, "build_trainer", stopping)
            with pytest.raises(SIGTERMException):
                run.train(settings)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "stopped" / "last.ckpt").is_file()
    expected, got = weights_of(unbroken), weights_of(run.train(settings))
    assert all(torch.equal(weight, got[name]) for name, weight in expected.items())


def test_slurm_does_not_bring_in_another_run(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning looks for states of requeued jobs; they must not be looked for where it started."""
    run.train(debug_run(dataset_root, tmp_path / "first", "trainer.max_steps=1"))
    monkeypatch.chdir(tmp_path)
    shutil.copy(tmp_path / "first" / "last.ckpt", tmp_path / "hpc_ckpt_1.ckpt")
    for name, value in {"JOB_ID": "1", "NTASKS": "1", "JOB_NAME": "job", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    second = debug_run(dataset_root, tmp_path / "second", "trainer.max_steps=1", "optim.lr=1e-12")
    second = dataclasses.replace(
        second, seed=9, optim=dataclasses.replace(second.optim, vision_lr=1e-12)
    )
    torch.manual_seed(9)
    expected, got = DrivingModel(DEBUG).state_dict(), weights_of(run.train(second))
    torch.testing.assert_close(dict(got), dict(expected), atol=1e-5, rtol=0)


def test_a_growing_dataset_does_not_disturb_a_run(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    settings = debug_run(tmp_path, tmp_path / "out")
    run.train(settings)
    write_drive(split / "group" / "scenario" / "later")
    run.train(settings)
    assert len(read_index(tmp_path / "out" / "index.npz").drives) == 2
    run.train(dataclasses.replace(settings, resume=False))
    assert len(read_index(tmp_path / "out" / "index.npz").drives) == 3


def test_starts_from_a_checkpoint(dataset_root: Path, tmp_path: Path) -> None:
    first = run.train(debug_run(dataset_root, tmp_path / "first"))
    second = debug_run(dataset_root, tmp_path / "second", f"checkpoint={first}", "optim.lr=1e-12")
    second = dataclasses.replace(
        second, optim=dataclasses.replace(second.optim, vision_lr=1e-12, weight_decay=0.0)
    )
    expected, got = weights_of(first), weights_of(run.train(second))
    for name, weight in expected.items():
        torch.testing.assert_close(got[name], weight, rtol=1e-4, atol=1e-6)
    other = dataclasses.replace(second, options='{"target_points": 1, "route_points": 9}')
    with pytest.raises(CheckpointError, match=r"query_embeds_wps: expected shape \(1, 9, 32\)"):
        run.first_model(other, other.model_config())


def test_a_checkpoint_brings_its_own_configuration(tmp_path: Path) -> None:
    config = dataclasses.replace(DEBUG, name="renamed", target_points=1, cameras=DEBUG.cameras[:2])
    model = DrivingModel(config)
    save_checkpoint(model, tmp_path)
    settings = settings_of(
        "experiment=nano", f"checkpoint={tmp_path}", "++options.vision.freeze=true"
    )
    changed = settings.model_config()
    frozen = dataclasses.replace(config.vision, freeze=True)
    assert changed == dataclasses.replace(config, vision=frozen)
    started = run.first_model(settings, changed).state_dict()
    assert all(torch.equal(tensor, started[name]) for name, tensor in model.state_dict().items())


def test_adapters_are_added_to_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="needs the package peft: pip install peft")
    model = make_model()
    save_checkpoint(model, tmp_path)
    settings = settings_of(f"checkpoint={tmp_path}", "++options.language.lora=true")
    config = settings.model_config()
    started = run.first_model(settings, config).eval()
    assert started.config == config
    assert any("lora_A" in name for name, _ in started.named_parameters())
    driving_input = make_input()
    with torch.no_grad():  # a fresh adapter adds nothing
        torch.testing.assert_close(started(driving_input), model(driving_input))
    save_checkpoint(started, tmp_path / "adapted")
    load_checkpoint(tmp_path / "adapted")


def test_starts_from_pretrained_parts(tmp_path: Path) -> None:
    trained = make_model(seed=5)
    vision = trained.vision_model
    assert isinstance(vision, LLaVAnextEncoderModel)
    parts = {f"tower.{key}": tensor for key, tensor in vision.tower.state_dict().items()}
    parts |= {f"projector.{key}": tensor for key, tensor in vision.projector.state_dict().items()}
    parts["image_newline"] = vision.image_newline.detach()
    settings = settings_of("experiment=debug", f"pretrained={tmp_path}")
    with pytest.raises(CheckpointError, match=r"llava\.safetensors.*python -m model.download --to"):
        run.first_model(settings, DEBUG)
    save_file(parts, tmp_path / "llava.safetensors")
    started = run.first_model(settings, DEBUG).state_dict()
    theirs = trained.state_dict()
    for name in ("tower.encoder.layers.0.mlp.fc1.weight", "projector.linear_1.weight"):
        assert torch.equal(started[f"vision_model.{name}"], theirs[f"vision_model.{name}"])
    name = "vision_model.projection.weight"
    assert not torch.equal(started[name], theirs[name])


def test_the_published_recipe_starts_from_pretrained_parts() -> None:
    for experiment in ("base", "base_cluster"):
        assert settings_of(f"experiment={experiment}").pretrained == "out/pretrained"
    assert settings_of("experiment=nano").pretrained is None


def break_images(split: Path, pattern: str) -> None:
    for path in split.glob(pattern):
        path.write_bytes(path.read_bytes()[:100])


def test_unreadable_images_end_a_run(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    break_images(split, "**/rgb*/*[02468].jpg")
    settings = debug_run(
        tmp_path, tmp_path / "out", "data.samples_per_epoch=60", "data.max_broken_share=0.02"
    )
    with pytest.raises(DatasetError, match=r"[56] of \d+ samples could not be read.*rgb.*jpg"):
        run.train(settings)
    assert ".jpg" in (tmp_path / "out" / "data_report.txt").read_text()


def test_a_batch_in_which_nothing_is_readable_is_passed_over(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    break_images(split, "**/rgb/*[02468].jpg")
    settings = debug_run(
        tmp_path, tmp_path / "out", "data.batch_size=1", "data.samples_per_epoch=8"
    )
    weights = weights_of(run.train(settings))
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    report = (tmp_path / "out" / "data_report.txt").read_text()
    assert report.count("times)") >= 2
    resumed = dataclasses.replace(settings, threads=1)
    run.train(resumed)
    assert (tmp_path / "out" / "data_report.txt").read_text() == report


def test_validation_counts_samples_not_batches(
    dataset_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frames of a drive have no waypoints; they must not water the mean down."""
    values, counts = [], []

    def noted(*arguments: object) -> object:
        losses = driving_losses(*arguments)  # type: ignore[arg-type]
        if not torch.is_grad_enabled():
            values.append(losses["speed_wps_loss"][0].sum())
            counts.append(losses["speed_wps_loss"][1].sum())
        return losses

    monkeypatch.setattr(module, "driving_losses", noted)
    settings = debug_run(dataset_root, tmp_path, "optim.lr=1e-12", "trainer.max_steps=1")
    logged: dict[str, Tensor] = {}

    class Listen(Callback):
        def on_validation_end(self, trainer: lightning.Trainer, *_: object) -> None:
            if not trainer.sanity_checking:
                logged.update(trainer.callback_metrics)

    build = run.build_trainer

    def listening(*arguments: object) -> lightning.Trainer:
        trainer = build(*arguments)  # type: ignore[arg-type]
        trainer.num_sanity_val_steps = 0
        trainer.callbacks.append(Listen())  # type: ignore[attr-defined]
        return trainer

    monkeypatch.setattr(run, "build_trainer", listening)
    run.train(settings)
    assert 0 < sum(counts) < sum(len(value.view(-1)) for value in values) * 2
    expected = sum(values) / sum(counts)
    assert float(logged["validation/speed_wps_loss"]) == pytest.approx(float(expected), rel=1e-4)
    total = logged["validation/speed_wps_loss"] + logged["validation/route_loss"]
    assert float(logged["validation/loss"]) == pytest.approx(float(total), rel=1e-5)


def test_decay_is_the_same_for_sharded_weights() -> None:
    """FSDP flattens matrices before the optimiser is built."""
    script = Path(__file__).with_name("sharded_groups.py")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["same", "same"]


@pytest.mark.parametrize(
    ("strategy", "precision", "expected"),
    [
        ("ddp", "bf16-mixed", ("bf16-mixed", None)),
        ("deepspeed_stage_2", "bf16-mixed", ("32-true", torch.bfloat16)),
        ("deepspeed_stage_2", "16-mixed", ("32-true", torch.float16)),
        ("deepspeed_stage_2", "32-true", ("32-true", None)),
    ],
)
def test_deepspeed_leaves_coordinates_in_single_precision(
    strategy: str, precision: str, expected: tuple[str, torch.dtype | None]
) -> None:
    settings = settings_of(f"trainer.strategy={strategy}", f"trainer.precision={precision}")
    assert run.precision_of(settings.trainer) == expected


def test_module_mixes_precisions_by_itself() -> None:
    settings = settings_of("experiment=debug")
    weights = LossWeights(1.0, 1.0)
    mixed = DrivingModule(make_model(), settings.optim, weights, torch.bfloat16)
    exact = DrivingModule(make_model(), settings.optim, weights)
    inputs = make_input()
    ours, wanted = mixed._predict(inputs).speed_wps, exact._predict(inputs).speed_wps
    assert ours.dtype == torch.float32
    assert not torch.equal(ours, wanted)


def test_weights_in_half_precision_are_refused_with_deepspeed() -> None:
    settings = settings_of("trainer.strategy=deepspeed", "trainer.precision=16-true")
    with pytest.raises(ConfigError, match=r"trainer\.precision: expected bf16-mixed, 16-mixed or"):
        run.precision_of(settings.trainer)


def test_a_scaled_loss_makes_the_same_step() -> None:
    settings = OptimSettings(1e-3, 1e-3, 0.1, (0.9, 0.999), 0.05)
    stepped = []
    for scale in (1.0, run.loss_scale_of(torch.float16)):
        model = make_model()
        decaying = decaying_weights(model)
        optimizer, _ = build_optimizer(model, settings, decaying, 100, loss_scale=scale)
        output = model(make_input())
        # Gradients so small that the optimiser's epsilon counts.
        (scale * 1e-9 * output.speed_wps.square().sum()).backward()
        optimizer.step()
        stepped.append(model.state_dict())
    for name, weight in stepped[0].items():
        torch.testing.assert_close(stepped[1][name], weight, atol=1e-8, rtol=1e-5, msg=name)
    assert run.loss_scale_of(torch.bfloat16) == run.loss_scale_of(None) == 1.0


def test_a_state_may_be_a_folder(tmp_path: Path) -> None:
    for number in (1, 2):
        partial = tmp_path / "last.partial"
        partial.mkdir()
        (partial / "shard").write_text(str(number))
        put_in_place(partial, tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt" / "shard").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_an_impossible_trainer_is_a_clear_error(dataset_root: Path, tmp_path: Path) -> None:
    for override in ("trainer.strategy=fsdp", "trainer.strategy=dpp", "trainer.precision=8-true"):
        with pytest.raises(ConfigError, match="trainer: "):
            run.train(debug_run(dataset_root, tmp_path, override))


def test_wandb_gets_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FakeWandb(WandbLogger):
        def __init__(self) -> None:
            self.shown: list[tuple[str, int]] = []

        def log_image(
            self, key: str, images: list[Any], step: int | None = None, **kwargs: Any
        ) -> None:
            self.shown.append((key, step or 0))

    logger = FakeWandb()
    images = PredictionImages(tmp_path, samples=1, every=1)
    images._drawn = [np.zeros((8, 8, 3), np.uint8)]
    trainer = SimpleNamespace(
        sanity_checking=False, is_global_zero=True, global_step=5, loggers=[logger]
    )
    images.on_validation_end(trainer, None)  # type: ignore[arg-type]
    assert logger.shown == [("predictions", 5)]


@pytest.mark.parametrize("experiment", ["base", "base_cluster", "nano", "nano_round", "debug"])
def test_experiments_compose(experiment: str) -> None:
    settings = settings_of(f"experiment={experiment}")
    preset = experiment.partition("_")[0]
    assert settings.model == preset
    assert settings.model_config().name == preset


def test_images_may_come_from_a_cache(dataset_root: Path, tmp_path: Path) -> None:
    plain = run.train(debug_run(dataset_root, tmp_path / "plain"))
    option = f"data.image_cache={tmp_path / 'cache'}"
    cached = run.train(debug_run(dataset_root, tmp_path / "cached", option))
    expected, got = weights_of(plain), weights_of(cached)
    assert all(torch.equal(weight, got[name]) for name, weight in expected.items())
    assert any((tmp_path / "cache").iterdir())


def test_drives_as_upstream_writes_them(tmp_path: Path) -> None:
    """One camera of 1024x512 px, no rig.json."""
    write_dataset(tmp_path, BASE.cameras[:1], drives=2, frames=14, rig=False)
    settings = settings_of(f"data.root={tmp_path}", "cameras=[rgb]", "data.first_frame=0")
    data = DrivingDataModule(
        settings.data, tmp_path, settings.model_config(), 1, tmp_path / "index.npz"
    )
    data.prepare_data()
    data.setup("fit")
    assert data.problems == []
    batch = next(iter(data.val_dataloader()))
    assert batch.readable == 4
    assert batch.example.driving_input.camera_images.shape[1:] == (1, 1, 3, 512, 1024)


def test_published_recipe() -> None:
    settings = settings_of("experiment=base")
    assert settings.optim == OptimSettings(3e-5, 3e-5, 0.1, (0.9, 0.999), 0.05)
    assert (settings.trainer.max_epochs, settings.trainer.gradient_clip_val) == (30, 1.0)
    assert (settings.data.batch_size, settings.seed) == (4, 42)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+data.shuffel=true"], "data.shuffel: unknown key"),
        (["data.batch_size=0"], "data.batch_size: expected 1 to 65536"),
        (["data.batch_size=many"], "data.batch_size: expected int"),
        (["~optim.lr"], "optim.lr: missing"),
        (["model=huge"], "model: expected"),
        (["optim.pct_start=2"], r"optim\.pct_start: expected 1e-06 to 0\.999999"),
        (["+data.buckets.moon=1"], "data.buckets.moon: unknown key"),
    ],
)
def test_wrong_settings(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of(*overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+options.route_ass=image"], r"options\.route_ass: unknown key"),
        (["+options.route_as=maps"], "route_as"),
        (["++options.language=huge"], r"options\.language: expected one of debug, .*got 'huge'"),
        (["++options.language.width=3"], r"options\.language\.width: unknown key"),
        (["cameras=[rgb,rgb_back]"], "expected some of rgb, rgb_left, rgb_right"),
    ],
)
def test_wrong_model_options(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_of(*overrides).model_config()


@pytest.mark.parametrize(
    ("overrides", "lora"),
    [
        (["++options.language=small"], False),
        (["++options.language.preset=small", "++options.language.lora=true"], True),
    ],
)
def test_language_presets_by_name(overrides: list[str], lora: bool) -> None:
    config = settings_of("experiment=base", *overrides).model_config()
    assert config.language == dataclasses.replace(LANGUAGE_PRESETS["small"], lora=lora)


def test_model_options() -> None:
    config = settings_of(
        "cameras=[rgb]", "+options.route_as=coords", "+options.vision.freeze=true"
    ).model_config()
    assert config.cameras == BASE.cameras[:1]
    assert config.route_as == "coords"
    assert config.vision == dataclasses.replace(BASE.vision, freeze=True)


@pytest.mark.usefixtures("narrow_resnets")
def test_the_options_of_the_readme_run(dataset_root: Path, tmp_path: Path) -> None:
    readme = Path(__file__).parents[3] / "README.md"
    options = re.findall(r"\+\+options\.(?!image_enhancing)[\w.]+=\w+", readme.read_text())
    assert {"++options.hist_len=2", "++options.route_as=image"} < set(options)
    # As written but for the size of the Llama.
    small = [option.replace("preset=small", "preset=debug") for option in options]
    settings = debug_run(dataset_root, tmp_path, "trainer.max_steps=1", *small)
    assert load_config(run.train(settings)).hist_len == 2
    with pytest.raises(ConfigError, match=r"data\.shifted_share: expected 0 or null .*, got 0\.5"):
        run.train(debug_run(dataset_root, tmp_path / "shifted", "data.shifted_share=0.5", *small))


def test_settings_are_kept_and_can_be_read_again() -> None:
    from model.training.settings import to_plain

    settings = settings_of("experiment=nano", "+options.hist_len=2")
    assert from_hydra(OmegaConf.create(to_plain(settings))) == settings


def test_optimiser_groups() -> None:
    model = DrivingModel(DEBUG)
    settings = OptimSettings(1e-3, 2e-3, 0.1, (0.9, 0.999), 0.05)
    groups = parameter_groups(model, settings, decaying_weights(model))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(names)
    for group in groups:
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert group["lr"] == (2e-3 if name.startswith("vision_model") else 1e-3), name
            kept = parameter.dim() <= 1 or any(
                part in name
                for part in (
                    "image_newline",
                    "class_embedding",
                    "position_embedding",
                    "temporal_encoding",
                    "camera_encoding",
                    "query_embeds",
                    "route_head",
                )
            )
            assert (group["weight_decay"] == 0.0) == kept, name


def test_schedule_warms_up_and_ends_near_nothing() -> None:
    settings = OptimSettings(1e-3, 2e-3, 0.1, (0.9, 0.999), 0.1)
    model = DrivingModel(DEBUG)
    optimizer, schedule = build_optimizer(model, settings, decaying_weights(model), 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    peak = max(rates)
    assert rates.index(peak) in (9, 10)
    assert rates[0] < peak / 10
    assert rates[-1] < peak / 1000
