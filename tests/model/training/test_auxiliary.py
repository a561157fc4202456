"""Questions beside the plan: they teach the network, and leave nothing in its checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from model.batch import DrivingExample, DrivingLabel
from model.checkpoint import load_checkpoint
from model.training import run
from model.training.auxiliary import AuxiliaryHeads
from model.training.dataset import LoadedBatch
from model.training.module import DrivingModule, LossWeights
from model.training.optim import OptimSettings
from tests.model.samples import make_label, make_model, make_telling_input
from tests.model.training.test_run import debug_run

OPTIM = OptimSettings(1e-3, 1e-3, 0.0, (0.9, 0.999), 0.1)


def told(light: list[int], obstacle: list[int]) -> DrivingLabel:
    label = make_label(batch=len(light))
    return label._replace(light=torch.tensor(light), obstacle=torch.tensor(obstacle))


def test_off_by_default() -> None:
    model = make_model()
    module = DrivingModule(model, OPTIM, LossWeights(1.0, 1.0))
    assert module.auxiliary is None
    assert all(name.startswith("model.") for name in module.state_dict())
    assert not model.driving_adaptor._forward_pre_hooks


def test_what_is_seen_learns_from_the_questions() -> None:
    model = make_model()
    heads = AuxiliaryHeads(model)
    model(make_telling_input())
    losses = heads.losses(told([0, 1, 2, 3], [0, 1, 3, 4]))
    assert set(losses) == {"light_loss", "obstacle_loss"}
    losses["light_loss"][0].sum().backward()
    seen = model.vision_model.get_parameter(next(iter(dict(model.vision_model.named_parameters()))))
    assert seen.grad is not None
    assert seen.grad.abs().sum() > 0
    # The plan's own layers have nothing to do with it.
    assert model.driving_adaptor.speed_wps_head[0].weight.grad is None


def test_the_answers_are_those_of_the_labels() -> None:
    model = make_model()
    heads = AuxiliaryHeads(model)
    with torch.no_grad():
        heads.light.weight.zero_()
        heads.light.bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    model(make_telling_input())
    label = told([0, 1, 2, 3], [0, 0, 0, 0])
    uncounted = label._replace(speed_wps_valid=torch.tensor([True, True, True, False]))
    values, counts = heads.losses(uncounted)["light_loss"]
    expected = -F.log_softmax(torch.arange(4.0), 0)
    assert values.tolist() == pytest.approx([*expected[:3].tolist(), 0.0])
    assert counts.tolist() == [1, 1, 1, 0]


def test_features_are_of_the_batch_at_hand() -> None:
    model = make_model()
    heads = AuxiliaryHeads(model)
    label = told([0, 1, 2, 3], [0, 1, 3, 4])
    with pytest.raises(ValueError, match="after the model"):
        heads.losses(label)
    model(make_telling_input())
    heads.losses(label)
    with pytest.raises(ValueError, match="after the model"):
        heads.losses(label)


def test_four_samples_can_be_told_apart() -> None:
    torch.manual_seed(0)
    module = DrivingModule(make_model(), OPTIM, LossWeights(0.0, 0.0, 1.0, 1.0))
    assert module.auxiliary is not None
    example = DrivingExample(make_telling_input(), told([0, 1, 2, 3], [4, 3, 1, 0]))
    batch = LoadedBatch(example, 4, [])
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    first = float(module.training_step(batch, 0))
    for step in range(150):
        optimizer.zero_grad()
        loss = module.training_step(batch, step)
        loss.backward()
        optimizer.step()
    assert float(loss) < first / 10


def test_a_run_with_questions_leaves_a_checkpoint_without(
    dataset_root: Path, tmp_path: Path
) -> None:
    weights = ("loss_weights.light_loss=0.5", "loss_weights.obstacle_loss=0.5")
    exported = run.train(debug_run(dataset_root, tmp_path / "asked", *weights))
    without = run.train(debug_run(dataset_root, tmp_path / "plain"))
    asked, plain = load_checkpoint(exported).state_dict(), load_checkpoint(without).state_dict()
    assert asked.keys() == plain.keys()
    assert any(not torch.equal(asked[name], plain[name]) for name in plain)
