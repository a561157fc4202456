import torch

from model.config import NANO
from model.head import DrivingAdaptor
from tests.model.samples import variant


def test_positions_are_sums_of_steps() -> None:
    adaptor = DrivingAdaptor(variant())
    features = torch.randn(2, 30, 32)
    output = adaptor(features)
    assert output.route is not None
    torch.testing.assert_close(
        output.route.diff(dim=1), adaptor.route_head(features[:, 1:20]), atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(output.speed_wps[:, 0], adaptor.speed_wps_head(features[:, 20]))


def test_route_queries_come_first() -> None:
    adaptor = DrivingAdaptor(variant())
    queries = adaptor.queries(3)
    assert queries.shape == (3, 30, 32)
    assert torch.equal(queries[1, :20], adaptor.query_embeds_wps[0])
    assert torch.equal(queries[2, 20:], adaptor.query_embeds_speed[0])


def shapes(head: torch.nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in head.parameters()]


def test_heads_have_the_layers_of_the_paper_and_of_the_released_weights() -> None:
    deep = DrivingAdaptor(variant())
    assert shapes(deep.speed_wps_head) == [(16, 32), (16,), (2, 16), (2,)]
    assert shapes(deep.route_head) == [(32, 32), (32,), (16, 32), (16,), (2, 16), (2,)]
    published = DrivingAdaptor(variant(route_head="published"))
    assert shapes(published.speed_wps_head) == [(16, 32), (16,), (2, 16)]
    assert shapes(published.route_head) == [(16, 32), (16,), (2, 16)]


def test_options_leave_the_route_out_and_predict_distances() -> None:
    adaptor = DrivingAdaptor(variant(predict_route_as_wps=False))
    output = adaptor(torch.randn(2, adaptor.tokens, 32))
    assert adaptor.tokens == 10
    assert output.route is None
    assert output.speed_wps.shape == (2, 10, 2)
    adaptor = DrivingAdaptor(variant(speed_wps_mode="1d"))
    assert adaptor(torch.randn(2, 30, 32)).speed_wps.shape == (2, 10, 1)


def test_an_untrained_nano_drives_straight_on() -> None:
    torch.manual_seed(0)
    output = DrivingAdaptor(NANO)(torch.zeros(1, 30, 192))
    assert output.route is not None
    assert (output.route[0, -1] - torch.tensor([20.0, 0.0])).abs().max() < 4.0
    assert (output.speed_wps[0, -1] - torch.tensor([17.0, 0.0])).abs().max() < 4.0


def test_sums_stay_exact_under_autocast() -> None:
    """In bfloat16 a sum up to 64 m errs by a quarter of a metre."""
    torch.manual_seed(0)
    adaptor = DrivingAdaptor(variant(route_step_m=3.2))
    features = torch.randn(1, 30, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = adaptor(features)
    torch.testing.assert_close(under_autocast, adaptor(features))
    assert under_autocast.route.dtype == torch.float32
