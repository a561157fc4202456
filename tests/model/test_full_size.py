"""BASE at its full size against Hugging Face's modules."""

import dataclasses

import pytest
import torch

from model.batch import DrivingInput
from model.config import BASE
from model.fused import FusedPolicy
from tests.model.reference import ReferencePipeline
from tests.model.samples import make_model, make_telling_input


@pytest.mark.slow
def test_full_size_model_matches_the_reference_pipeline() -> None:
    """One camera, for time's sake: 800 GFLOP each for three pipelines on a CPU.

    Its image, less the bonnet, fills the tiles as it is: theirs would be resized by Pillow, ours
    is not, and two grey levels of difference would hide what is compared here.
    """
    camera = dataclasses.replace(BASE.cameras[0], width_px=672, height_px=480)
    config = dataclasses.replace(BASE, cameras=(camera,))
    model = make_model(config)
    driving_input = DrivingInput._make(
        None if field is None else field[:1] for field in make_telling_input(config)
    )
    reference = ReferencePipeline(model)
    images = driving_input.camera_images[0, 0].permute(0, 2, 3, 1).numpy()
    with torch.inference_mode():
        expected = reference(images, driving_input.vehicle_speed, driving_input.target_point)
        output = model(driving_input)
        fused = FusedPolicy(model)(
            driving_input.camera_images, driving_input.vehicle_speed, driving_input.target_point
        )
    torch.testing.assert_close(tuple(output), expected, atol=2e-4, rtol=0)
    torch.testing.assert_close(fused, tuple(output), atol=2e-4, rtol=0)
