import pytest
import torch

from model.batch import DrivingOutput
from model.loss import distance_along, driving_losses, summarise_losses
from tests.model.samples import make_label, variant


def test_loss_is_the_mean_squared_distance_of_the_points() -> None:
    label = make_label()
    offset = torch.tensor([3.0, 4.0])
    losses = driving_losses(DrivingOutput(label.speed_wps + offset, label.route), label)
    values, counts = losses["speed_wps_loss"]
    torch.testing.assert_close(values, torch.full((2,), 25.0))
    assert counts.tolist() == [1, 1]
    assert losses["route_loss"][0].tolist() == [0.0, 0.0]


def test_samples_that_do_not_count_may_hold_anything() -> None:
    label = make_label()
    route = label.route.clone()
    route[1] = torch.nan
    label = label._replace(route=route, route_valid=torch.tensor([True, False]))
    predicted = torch.zeros(2, 20, 2, requires_grad=True)
    training = summarise_losses(driving_losses(DrivingOutput(label.speed_wps, predicted), label))
    expected = label.route[0].square().sum(-1).mean()
    torch.testing.assert_close(training.loss_averages["route_loss"], expected)
    training.loss.backward()
    assert predicted.grad is not None
    assert predicted.grad.isfinite().all()
    assert not predicted.grad[1].any()


def test_a_loss_without_samples_is_zero() -> None:
    losses = {"a": (torch.zeros(2), torch.zeros(2, dtype=torch.long))}
    assert summarise_losses(losses).loss == 0.0


def test_losses_add_up_with_weights() -> None:
    ones = torch.ones(2, dtype=torch.long)
    losses = {"a": (torch.tensor([1.0, 3.0]), ones), "b": (torch.tensor([4.0, 0.0]), ones * 2)}
    training = summarise_losses(losses)
    assert training.loss_averages == {"a": 2.0, "b": 1.0}
    assert training.loss == 3.0
    assert summarise_losses(losses, {"b": 10.0}).loss == 12.0
    with pytest.raises(ValueError, match="unknown loss 'c'; known are a, b"):
        summarise_losses(losses, {"c": 1.0})


def test_what_does_not_count_adds_nothing() -> None:
    values = torch.tensor([1.0, 3.0, float("nan")])
    none = {"a": (values, torch.zeros(3, dtype=torch.long))}
    assert summarise_losses(none).loss == 0.0
    some = {"a": (values, torch.tensor([0, 1, 0]))}
    assert summarise_losses(some).loss == 3.0


def test_distances_run_along_the_path() -> None:
    points = torch.tensor([[[3.0, 4.0], [3.0, 4.0], [3.0, 6.0]]])
    assert distance_along(points).flatten().tolist() == [5.0, 5.0, 7.0]


def test_distances_are_judged_by_distances() -> None:
    label = make_label(variant(speed_wps_mode="1d"))
    output = DrivingOutput(label.speed_wps + 2.0, None)
    losses = driving_losses(output, label)
    assert losses.keys() == {"speed_wps_loss"}
    torch.testing.assert_close(losses["speed_wps_loss"][0], torch.full((2,), 4.0))
