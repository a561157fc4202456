"""The rewritten model computes what the model computes, for every option."""

import dataclasses

import numpy as np
import pytest
import torch

from model.config import DEBUG, NANO, ModelConfig
from model.fused import FusedPolicy
from model.vision import ImageEncoder
from tests.model.samples import (
    PADDED,
    make_input,
    make_model,
    make_telling_input,
    root_mean_square,
    shuffled,
    variant,
)
from tests.model.test_driving import OPTIONS

CONFIGS = OPTIONS | {"nano": NANO, "padded": PADDED}


def compare(config: ModelConfig, tolerance_m: float) -> None:
    model = make_model(config)
    driving_input = make_input(config)
    route = driving_input.map_route if config.route_as == "image" else driving_input.target_point
    with torch.no_grad():
        output = model(driving_input)
        fused = FusedPolicy(model)(driving_input.camera_images, driving_input.vehicle_speed, route)
    expected = [part for part in output if part is not None]
    torch.testing.assert_close(list(fused), expected, atol=tolerance_m, rtol=1e-4)


@pytest.mark.usefixtures("narrow_resnets")
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_fused_equals_unfused(config: ModelConfig) -> None:
    compare(config, tolerance_m=1e-4)


def test_adapters_are_merged() -> None:
    pytest.importorskip("peft", reason="needs the package peft: pip install peft")
    language = dataclasses.replace(variant().language, lora=True)
    config = variant(language=language)
    model = make_model(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    driving_input = make_input(config)
    with torch.no_grad():
        output = model(driving_input)
        policy = FusedPolicy(model)
        fused = policy(
            driving_input.camera_images, driving_input.vehicle_speed, driving_input.target_point
        )
    assert not any("lora" in name for name, _ in policy.named_parameters())
    torch.testing.assert_close(fused, tuple(output), atol=1e-4, rtol=1e-4)


def test_the_model_itself_is_left_alone() -> None:
    model = make_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    FusedPolicy(model).place(torch.device("cpu"), torch.bfloat16)
    assert all(p.requires_grad for p in model.parameters())
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == before[name].dtype
        assert torch.equal(tensor, before[name])


def test_only_vision_and_language_change_type() -> None:
    policy = FusedPolicy(make_model()).place(torch.device("cpu"), torch.bfloat16)
    dtypes = {
        name: {parameter.dtype for parameter in part.parameters()}
        for name, part in policy.named_children()
    }
    assert dtypes == {
        "seeing": {torch.bfloat16},
        "thinking": {torch.bfloat16},
        "context": {torch.float32},
        "driving_adaptor": {torch.float32},
    }


@pytest.mark.usefixtures("narrow_resnets")
@pytest.mark.parametrize("encoder", ["llava", "resnet34"])
def test_bfloat16_stays_close_to_float32(encoder: str) -> None:
    """Bound: half of what the images, speed or target of another sample change."""
    config = variant(vision={"encoder": encoder})
    model = make_model(config)
    fields = make_telling_input(config)
    policy = FusedPolicy(model).place(torch.device("cpu"), torch.bfloat16)
    with torch.no_grad():
        exact = model(fields)
        rounded = policy(fields.camera_images, fields.vehicle_speed, fields.target_point)
        changed = [model(other) for other in shuffled(fields).values()]
    assert all(output.dtype == torch.float32 for output in rounded)
    error_m = root_mean_square(rounded, exact)
    assert all(error_m < 0.5 * root_mean_square(other, exact) for other in changed)


class ReadsTheRig(ImageEncoder):
    """An encoder of one token per image, made of the camera's matrices alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, 18)

    @property
    def tokens_per_image(self) -> int:
        return 1

    def prepare(self, camera_images: torch.Tensor) -> torch.Tensor:
        return camera_images.flatten(0, 2).float()

    def forward(
        self, tiles: torch.Tensor, camera_intrinsics: torch.Tensor, camera_extrinsics: torch.Tensor
    ) -> torch.Tensor:
        numbers = [camera_intrinsics.flatten(2) / 100.0, camera_extrinsics[:, :, :3, 1:].flatten(2)]
        tokens: torch.Tensor = self.projection(torch.cat(numbers, dim=2))
        return tokens


def test_an_encoder_that_reads_the_rig_gets_the_same_rig_at_the_wheel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("model.driving.build_image_encoder", ReadsTheRig)
    model = make_model()
    cameras = DEBUG.cameras
    fields = make_input(batch=1)._replace(
        camera_intrinsics=torch.from_numpy(np.stack([c.intrinsics() for c in cameras]))[None],
        camera_extrinsics=torch.from_numpy(np.stack([c.extrinsics() for c in cameras]))[None],
    )
    with torch.no_grad():
        expected = model(fields)
        elsewhere = model(fields._replace(camera_extrinsics=fields.camera_extrinsics + 1.0))
        fused = FusedPolicy(model)(fields.camera_images, fields.vehicle_speed, fields.target_point)
    torch.testing.assert_close(fused, tuple(expected), atol=1e-5, rtol=1e-5)
    assert root_mean_square(elsewhere, expected) > 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_compiled_stages_equal_eager_ones() -> None:
    policy = FusedPolicy(make_model(PADDED))
    fields = make_input(PADDED, batch=1)
    arguments = (fields.camera_images, fields.vehicle_speed, fields.target_point)
    with torch.inference_mode():
        expected = policy(*arguments)
        outputs = torch.compile(policy, fullgraph=True, dynamic=False)(*arguments)
    torch.testing.assert_close(outputs, expected, atol=1e-3, rtol=1e-3)
