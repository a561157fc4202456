"""The whole model: every option runs, matches the reference, and trains all it should."""

import dataclasses

import pytest
import torch

from model.batch import DrivingInput, InputError
from model.config import DEBUG, LANGUAGE_PRESETS, ModelConfig
from model.loss import driving_losses, summarise_losses
from tests.model.reference import ReferencePipeline
from tests.model.samples import (
    PADDED,
    SIX_CAMERAS,
    make_input,
    make_label,
    make_model,
    make_telling_input,
    root_mean_square,
    shuffled,
    variant,
)

WIDE = dataclasses.replace(LANGUAGE_PRESETS["debug"], hidden_size=24)
OPTIONS = {
    "default": DEBUG,
    "one camera": variant(cameras=DEBUG.cameras[:1]),
    "six cameras": variant(cameras=SIX_CAMERAS),
    "two moments": variant(hist_len=2),
    "speed history": variant(speed_history=3),
    "no speed": variant(speed_as_input=False),
    "one target": variant(target_points=1),
    "coords": variant(route_as="coords"),
    "route image": variant(route_as="image"),
    "distances": variant(speed_wps_mode="1d"),
    "no route": variant(predict_route_as_wps=False),
    "published heads": variant(route_head="published"),
    "newer ranges": variant(new_layer_norm_minmax=True),
    "same widths": variant(language=WIDE),
    "global tile": variant(PADDED, vision={"use_global_img": True}),
    "no pooling": variant(vision={"downsample_feature_grid_factor": None}),
    "resnet34": variant(vision={"encoder": "resnet34"}),
}


@pytest.mark.usefixtures("narrow_resnets")
@pytest.mark.parametrize("config", OPTIONS.values(), ids=OPTIONS)
def test_every_option_predicts_and_trains(config: ModelConfig) -> None:
    model = make_model(config).train()
    output = model(make_input(config))
    axes = 1 if config.speed_wps_mode == "1d" else 2
    assert output.speed_wps.shape == (2, 10, axes)
    assert (output.route is None) == (not config.predict_route_as_wps)
    summarise_losses(driving_losses(output, make_label(config))).loss.backward()
    lazy = {name for name, p in model.named_parameters() if p.grad is None}
    assert not lazy, "these would never learn (and stop distributed training)"


def test_widths_that_match_need_no_projection() -> None:
    assert not list(make_model(variant(language=WIDE)).language_projection.parameters())
    projection = make_model().language_projection
    assert [tuple(p.shape) for p in projection.parameters()] == [(32, 24)]


def test_the_whole_model_matches_the_reference_pipeline() -> None:
    model = make_model()
    driving_input = make_input(batch=1)
    reference = ReferencePipeline(model, encodings=2)
    images = driving_input.camera_images[0, 0].permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        expected = reference(images, driving_input.vehicle_speed, driving_input.target_point)
        output = model(driving_input)
    torch.testing.assert_close(tuple(output), expected, atol=1e-4, rtol=1e-4)


def test_a_batch_of_one_equals_the_same_sample_in_a_batch_of_four() -> None:
    model = make_model()
    four = make_input(batch=4)
    one = DrivingInput._make(None if field is None else field[2:3] for field in four)
    with torch.no_grad():
        whole, single = model(four), model(one)
    torch.testing.assert_close(single.speed_wps, whole.speed_wps[2:3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(single.route, whole.route[2:3], atol=1e-5, rtol=1e-5)


def test_bfloat16_stays_close_to_float32() -> None:
    """Bound: half of what the images, speed or target of another sample change."""
    model = make_model()
    driving_input = make_telling_input()
    with torch.no_grad():
        exact = model(driving_input)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = model(driving_input)
        changed = [model(other) for other in shuffled(driving_input).values()]
    assert mixed.route.dtype == torch.float32
    error_m = root_mean_square(mixed, exact)
    assert all(error_m < 0.5 * root_mean_square(other, exact) for other in changed)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("camera_images", torch.zeros(2, 1, 3, 3, 16, 64, dtype=torch.uint8), "expected shape"),
        ("camera_images", torch.zeros(2, 1, 2, 3, 32, 64, dtype=torch.uint8), "expected shape"),
        ("camera_images", torch.zeros(2, 1, 3, 3, 32, 64), "expected torch.uint8, got"),
        ("camera_intrinsics", torch.zeros(2, 3, 4, 4), r"expected shape \(2, 3, 3, 3\)"),
        ("camera_extrinsics", torch.zeros(2, 1, 4, 4), r"expected shape \(2, 3, 4, 4\)"),
        ("vehicle_speed", torch.zeros(2), r"expected shape \(2, 1\), got \(2,\)"),
        ("vehicle_speed", torch.zeros(2, 1, dtype=torch.long), "expected a floating-point type"),
        ("target_point", torch.zeros(2, 3, 2), r"expected shape \(2, 2, 2\)"),
        ("target_point", torch.zeros(2, 2), r"expected shape \(2, 2, 2\)"),
    ],
)
def test_an_unfit_field_is_named(field: str, value: torch.Tensor, message: str) -> None:
    driving_input = make_input()._replace(**{field: value})
    with pytest.raises(InputError, match=f"{field}: {message}"):
        make_model()(driving_input)


@pytest.mark.usefixtures("narrow_resnets")
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "got None"),
        (torch.zeros(2, 1, 64, 64, dtype=torch.uint8), "expected shape"),
        (torch.zeros(2, 3, 64, 64), "expected torch.uint8"),
    ],
)
def test_an_unfit_route_image_is_named(image: torch.Tensor | None, message: str) -> None:
    config = OPTIONS["route image"]
    driving_input = make_input(config)._replace(map_route=image)
    with pytest.raises(InputError, match=f"map_route: .*{message}"):
        make_model(config)(driving_input)
