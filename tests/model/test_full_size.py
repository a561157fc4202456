"""BASE at its full size against Hugging Face's modules."""

import dataclasses

import pytest
import torch

from model.config import BASE, LANGUAGE_PRESETS
from model.folded import FoldedPolicy
from tests.model.reference import ReferencePipeline
from tests.model.samples import make_input, make_model


@pytest.mark.slow
def test_full_size_model_matches_the_reference_pipeline() -> None:
    """One camera, for time's sake: 800 GFLOP each for three pipelines on a CPU."""
    config = dataclasses.replace(BASE, cameras=BASE.cameras[:1], language=LANGUAGE_PRESETS["tiny"])
    model = make_model(config)
    driving_input = make_input(config, batch=1)
    reference = ReferencePipeline(model)
    pictures = driving_input.camera_images[0, 0].permute(0, 2, 3, 1).numpy()
    with torch.inference_mode():
        expected = reference(pictures, driving_input.vehicle_speed, driving_input.target_point)
        output = model(driving_input)
        folded = FoldedPolicy(model)(
            driving_input.camera_images, driving_input.vehicle_speed, driving_input.target_point
        )
    # Theirs resizes with Pillow; ours may be two grey levels off.
    torch.testing.assert_close(tuple(output), expected, atol=2e-2, rtol=0)
    torch.testing.assert_close(folded, tuple(output), atol=1e-3, rtol=0)
