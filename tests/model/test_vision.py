import pytest
import torch
from transformers import ResNetConfig, ResNetModel

from model.config import DEBUG, ModelConfig
from model.image import IMAGENET_MEAN_STD
from model.vision import pool
from tests.model.reference import ReferencePipeline
from tests.model.samples import PADDED, SIX_CAMERAS, make_input, make_model, variant

LLAVA_CONFIGS = {
    "debug": DEBUG,
    "padded": PADDED,
    "no pooling": variant(PADDED, vision={"downsample_feature_grid_factor": None}),
    "factor one": variant(vision={"downsample_feature_grid_factor": 1}),
    "global tile": variant(PADDED, vision={"use_global_img": True}),
    "last layer": variant(vision={"feature_layer": -1}),
    "one camera": variant(cameras=DEBUG.cameras[:1]),
    "six cameras": variant(cameras=SIX_CAMERAS),
    "two moments": variant(hist_len=2),
}


@pytest.mark.parametrize("config", LLAVA_CONFIGS.values(), ids=LLAVA_CONFIGS)
def test_tokens_match_hugging_face(config: ModelConfig) -> None:
    """Shared random weights; theirs runs the processor, all layers and the projector unfused."""
    model = make_model(config)
    driving_input = make_input(config, batch=1)
    reference = ReferencePipeline(model)
    images = driving_input.camera_images.flatten(0, 2).permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        expected = reference.encode(*reference.preprocess(images))
        tiles = model.vision_model.prepare(driving_input.camera_images)
        tokens = model.vision_model(tiles, *driving_input[1:3])
    assert tokens.shape[1] == (
        config.hist_len * len(config.cameras) * model.vision_model.tokens_per_image
    )
    # The processor resizes with rounding of its own: up to two grey levels where it resizes at all.
    tolerance = 2e-2 if config.cut_bottom_quarter else 1e-5
    torch.testing.assert_close(tokens, expected, atol=tolerance, rtol=0)


def test_tokens_match_hugging_face_exactly_on_the_same_tiles() -> None:
    config = variant(PADDED, vision={"use_global_img": True})
    model = make_model(config)
    driving_input = make_input(config, batch=1)
    reference = ReferencePipeline(model)
    images = driving_input.camera_images.flatten(0, 2).permute(0, 2, 3, 1).numpy()
    with torch.no_grad():
        pixels, sizes = reference.preprocess(images)
        expected = reference.encode(pixels, sizes)
        tokens = model.vision_model(pixels.flatten(0, 1), *driving_input[1:3])
    torch.testing.assert_close(tokens, expected, atol=1e-5, rtol=1e-5)


def test_resnet34_matches_hugging_face() -> None:
    config = variant(vision={"encoder": "resnet34"})
    model = make_model(config)
    driving_input = make_input(config, batch=1)
    theirs = ResNetModel(
        ResNetConfig(
            embedding_size=64,
            hidden_sizes=[64, 128, 256, 512],
            depths=[3, 4, 6, 3],
            layer_type="basic",
        )
    ).eval()
    theirs.load_state_dict(model.vision_model.get_submodule("tower").state_dict())
    mean, std = torch.tensor(IMAGENET_MEAN_STD).view(2, 3, 1, 1)
    with torch.no_grad():
        images = (driving_input.camera_images.flatten(0, 2).float() / 255 - mean) / std
        features = theirs(images).last_hidden_state.flatten(2).transpose(1, 2)
        encoder = model.vision_model
        expected = encoder.projection(features) + encoder.camera_encoding[0, 0]
        expected = expected.flatten(0, 1)[None] + encoder.temporal_encoding[0, 0]
        tokens = encoder(encoder.prepare(driving_input.camera_images), *driving_input[1:3])
    assert tokens.shape[1] == 3 * encoder.tokens_per_image == 6
    torch.testing.assert_close(tokens, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("narrow_resnets")
@pytest.mark.parametrize("encoder", ["llava", "resnet34"])
def test_a_frozen_tower_does_not_learn_but_its_projection_does(encoder: str) -> None:
    config = variant(vision={"encoder": encoder, "freeze": True})
    model = make_model(config).train()
    trainable = {n for n, p in model.vision_model.named_parameters() if p.requires_grad}
    assert trainable == {
        "projection.weight",
        "projection.bias",
        "temporal_encoding",
        "camera_encoding",
    }
    before = {n: b.clone() for n, b in model.vision_model.named_buffers()}
    model(make_input(config))
    for name, buffer in model.vision_model.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_layers_behind_the_features_are_not_built() -> None:
    tower = make_model(DEBUG).vision_model.get_submodule("tower.encoder.layers")
    assert len(list(tower.children())) == DEBUG.vision.layers - 1


def test_pooling_drops_an_odd_row() -> None:
    grid = torch.rand(2, 5, 4, 3)
    expected = torch.nn.functional.avg_pool2d(grid.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(pool(grid, 2), expected)
