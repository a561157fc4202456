"""Whole runs: two steps, export, exact resume, and what stops a run."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import lightning
import pytest
import torch
from hydra import compose, initialize_config_dir
from lightning.pytorch.callbacks import Callback
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.config import BASE, DEBUG, LANGUAGE_PRESETS, ConfigError
from model.driving import DrivingModel
from model.training import run
from model.training.index import DatasetError, read_index
from model.training.optim import OptimSettings, build_optimizer, parameter_groups
from model.training.settings import TrainingSettings, from_hydra
from tests.model.samples import make_input, make_model
from tests.model.training.recording import write_dataset, write_drive

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


def test_workers_change_nothing(dataset_root: Path, tmp_path: Path) -> None:
    alone = run.train(debug_run(dataset_root, tmp_path / "alone"))
    helped = run.train(debug_run(dataset_root, tmp_path / "helped", "data.workers=1"))
    expected, got = weights_of(alone), weights_of(helped)
    assert all(torch.equal(weight, got[name]) for name, weight in expected.items())


def test_resuming_with_another_order_is_refused(dataset_root: Path, tmp_path: Path) -> None:
    settings = debug_run(dataset_root, tmp_path)
    run.train(settings)
    with pytest.raises(DatasetError, match="dealt out other batches"):
        run.train(dataclasses.replace(settings, seed=5))


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
    pytest.importorskip("peft", reason="needs the optional package peft")
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


def test_unreadable_pictures_end_a_run(tmp_path: Path) -> None:
    split = write_dataset(tmp_path, drives=2)
    for path in split.glob("**/rgb*/*[02468].jpg"):
        path.write_bytes(path.read_bytes()[:100])
    settings = debug_run(tmp_path, tmp_path / "out", "data.samples_per_epoch=12")
    with pytest.raises(DatasetError, match=r"could not be read|not one readable"):
        run.train(settings)


@pytest.mark.parametrize("experiment", ["base", "nano", "debug"])
def test_experiments_compose(experiment: str) -> None:
    settings = settings_of(f"experiment={experiment}")
    assert settings.model == experiment
    assert settings.model_config().name == experiment


def test_published_recipe() -> None:
    settings = settings_of("experiment=base")
    assert settings.optim == OptimSettings(3e-5, 3e-5, 0.1, (0.9, 0.999), 0.05)
    assert (settings.trainer.max_epochs, settings.trainer.gradient_clip_val) == (30, 1.0)
    assert (settings.data.batch_size, settings.seed) == (4, 42)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+data.shuffel=true"], "data.shuffel: unknown key"),
        (["data.batch_size=0"], "data.batch_size: expected at least 1"),
        (["data.batch_size=many"], "data.batch_size: expected int"),
        (["~optim.lr"], "optim.lr: missing"),
        (["model=huge"], "model: expected"),
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


def test_settings_are_kept_and_can_be_read_again() -> None:
    from model.training.settings import to_plain

    settings = settings_of("experiment=nano", "+options.hist_len=2")
    assert from_hydra(OmegaConf.create(to_plain(settings))) == settings


def test_optimiser_groups() -> None:
    model = DrivingModel(DEBUG)
    settings = OptimSettings(1e-3, 2e-3, 0.1, (0.9, 0.999), 0.05)
    groups = parameter_groups(model, settings)
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
    optimizer, schedule = build_optimizer(DrivingModel(DEBUG), settings, 100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    peak = max(rates)
    assert rates.index(peak) in (9, 10)
    assert rates[0] < peak / 10
    assert rates[-1] < peak / 1000
