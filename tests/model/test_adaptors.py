import pytest
import torch

from model.adaptors import ContextEncoder, NormZeroOne, RouteEncode, WaypointInputAdaptor
from tests.model.samples import make_input, points_of, variant


def test_norm_maps_its_range_to_zero_and_one() -> None:
    norm = NormZeroOne((-32.0, 32.0))
    assert norm(torch.tensor([-32.0, 0.0, 32.0, 64.0])).tolist() == [0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize(("newer", "fastest_mps"), [(False, 64 / 3.6), (True, 110 / 3.6)])
def test_option_picks_the_speed_range(newer: bool, fastest_mps: float) -> None:
    encoder = ContextEncoder(variant(new_layer_norm_minmax=newer))
    assert encoder.speed_encoder is not None
    assert encoder.speed_encoder.norm(torch.tensor(fastest_mps)) == pytest.approx(1.0)
    furthest_m = 200.0 if newer else 32.0
    assert isinstance(encoder.route_encoder, WaypointInputAdaptor)
    assert encoder.route_encoder.norm(torch.tensor([-furthest_m, furthest_m])).tolist() == [0, 1]


def test_tokens_are_speed_then_one_for_each_point() -> None:
    config = variant()
    encoder = ContextEncoder(config).eval()
    driving_input = make_input(config)
    tokens = encoder(driving_input)
    assert tokens.shape == (2, 3, 32)
    moved = driving_input._replace(target_point=points_of(driving_input) + torch.eye(2)[:, None])
    changed = (encoder(moved) != tokens).any(-1)
    assert not changed[:, 0].any()
    faster = driving_input._replace(vehicle_speed=driving_input.vehicle_speed + 1)
    assert (encoder(faster) != tokens).any(-1).tolist() == [[True, False, False]] * 2


def test_a_single_target_may_come_without_an_axis_of_points() -> None:
    config = variant(target_points=1)
    encoder = ContextEncoder(config)
    driving_input = make_input(config)
    flat = driving_input._replace(target_point=points_of(driving_input)[:, 0])
    assert torch.equal(encoder(driving_input), encoder(flat))


def test_a_target_keeps_its_centimetres_under_autocast() -> None:
    """In bfloat16 a step of 0.1 m at 30 m would vanish."""
    encoder = WaypointInputAdaptor(32, (-32.0, 32.0))
    near, far = torch.tensor([[[30.0, 0.0]]]), torch.tensor([[[30.1, 0.0]]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        difference = encoder(far) - encoder(near)
    torch.testing.assert_close(difference, encoder(far) - encoder(near))
    assert difference.dtype == torch.float32


def test_route_image_becomes_one_token() -> None:
    encoder = RouteEncode(24).eval()
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    images[1, :, :, 32] = 255
    seen: list[torch.Tensor] = []
    encoder.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens = encoder(images)
    assert seen[0].unique().tolist() == [-1.0, 255 / 128 - 1]
    assert tokens.shape == (2, 1, 24)
    assert not torch.allclose(tokens[0], tokens[1])
