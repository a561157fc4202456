"""Made-up state dicts in the layouts that SimLingo-Base's training code writes."""

import json
from pathlib import Path

import pytest
import torch

from model.checkpoint import CheckpointError, load_checkpoint
from model.config import DEBUG, ModelConfig
from model.driving import DrivingModel
from model.upstream import UPSTREAM, import_upstream, main, our_key
from tests.model.samples import make_input, make_model, variant

ONE_CAMERA = variant(cameras=DEBUG.cameras[:1], route_head="published")

# The start of our keys -> the start of upstream's.
UPSTREAM_NAMES = {
    "vision_model.tower.": "vision_model.image_encoder.vision_tower.vision_model.",
    "vision_model.projector.": "vision_model.image_encoder.multi_modal_projector.",
    "vision_model.image_newline": "vision_model.image_encoder.image_newline",
    "driving_adaptor.": "adaptors.driving.",
    "context.": "",
}


def upstream_state(model: DrivingModel) -> dict[str, torch.Tensor]:
    state = {}
    for key, tensor in model.state_dict().items():
        for ours, theirs in UPSTREAM_NAMES.items():
            if key.startswith(ours):
                key = theirs + key[len(ours) :]
                break
        state[key] = tensor.clone()
    tower = "vision_model.image_encoder.vision_tower.vision_model."
    state[tower + "post_layernorm.weight"] = torch.ones(32)
    state[tower + "encoder.layers.2.mlp.fc1.bias"] = torch.ones(64)
    state[tower + "embeddings.position_ids"] = torch.arange(17)[None]
    state["language_model.model.rotary_emb.inv_freq"] = torch.ones(8)
    return state


def assert_same_predictions(model: DrivingModel, other: DrivingModel) -> None:
    driving_input = make_input(model.config)
    with torch.no_grad():
        torch.testing.assert_close(other(driving_input), model(driving_input), atol=0, rtol=0)


@pytest.mark.parametrize("wrapper", ["", "_forward_module.", "module."])
@pytest.mark.parametrize("nested", [False, True])
def test_plain_file(wrapper: str, nested: bool, tmp_path: Path) -> None:
    model = make_model(ONE_CAMERA)
    state = {wrapper + key: tensor for key, tensor in upstream_state(model).items()}
    torch.save({"state_dict": state, "epoch": 3} if nested else state, tmp_path / "weights.pt")
    assert_same_predictions(model, import_upstream(tmp_path / "weights.pt", ONE_CAMERA))


def test_directories_of_consolidated_weights(tmp_path: Path) -> None:
    model = make_model(ONE_CAMERA)
    state = upstream_state(model)
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert_same_predictions(model, import_upstream(tmp_path, ONE_CAMERA))

    names = sorted(state)
    halves = {"pytorch_model-1.bin": names[::2], "pytorch_model-2.bin": names[1::2]}
    for file, keys in halves.items():
        torch.save({key: state[key] for key in keys}, tmp_path / file)
    weight_map = {key: file for file, keys in halves.items() for key in keys}
    (tmp_path / "pytorch_model.bin").unlink()
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert_same_predictions(model, import_upstream(tmp_path, ONE_CAMERA))


def test_one_camera_serves_a_rig_of_three(tmp_path: Path) -> None:
    model = make_model(ONE_CAMERA)
    torch.save(upstream_state(model), tmp_path / "weights.pt")
    three = variant(route_head="published")
    encoding = import_upstream(tmp_path / "weights.pt", three).vision_model.camera_encoding
    assert encoding.shape[2] == 3
    for camera in range(3):
        assert torch.equal(encoding[:, :, camera], model.vision_model.camera_encoding[:, :, 0])


def torchvision_name(key: str) -> str:
    """torchvision's name of a tensor of our ResNet-18."""
    key = key.removeprefix("context.route_encoder.")
    if key.startswith("fc."):
        return "route_encoder.backbone." + key
    parts = key.removeprefix("backbone.").split(".")
    if parts[0] == "embedder":
        layer = {"convolution": "conv1", "normalization": "bn1"}[parts[2]]
        return f"route_encoder.backbone.{layer}.{parts[3]}"
    stage, block, kind = int(parts[2]) + 1, parts[4], parts[5]
    if kind == "shortcut":
        layer = {"convolution": "downsample.0", "normalization": "downsample.1"}[parts[6]]
        return f"route_encoder.backbone.layer{stage}.{block}.{layer}.{parts[7]}"
    layer = {"convolution": "conv", "normalization": "bn"}[parts[7]] + str(int(parts[6]) + 1)
    return f"route_encoder.backbone.layer{stage}.{block}.{layer}.{parts[8]}"


def test_route_images_encoder_comes_from_torchvision() -> None:
    keys = [
        key
        for key in make_model(variant(route_as="image")).state_dict()
        if key.startswith("context.route_encoder.")
    ]
    assert len(keys) > 100
    for key in keys:
        assert our_key(torchvision_name(key)) == key
    assert torchvision_name(keys[0]) == "route_encoder.backbone.conv1.weight"


def test_resnet_vision_keeps_its_names() -> None:
    key = "vision_model.image_encoder.encoder.stages.0.layers.1.layer.0.convolution.weight"
    assert our_key(key) == (
        "vision_model.tower.encoder.stages.0.layers.1.layer.0.convolution.weight"
    )


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        ({"adaptors.language.head": torch.zeros(1)}, ONE_CAMERA, "unknown key adaptors.language"),
        ({"language_projection.weight": None}, ONE_CAMERA, "missing key language_projection"),
        ({}, variant(cameras=DEBUG.cameras[:1]), "driving_adaptor.route_head"),
    ],
)
def test_key_at_fault_is_named(
    change: dict[str, torch.Tensor | None], config: ModelConfig, message: str, tmp_path: Path
) -> None:
    state = upstream_state(make_model(ONE_CAMERA)) | change
    state = {key: tensor for key, tensor in state.items() if tensor is not None}
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match=message):
        import_upstream(tmp_path / "weights.pt", config)


def test_files_that_hold_no_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"zero_to_fp32\.py"):
        import_upstream(tmp_path, ONE_CAMERA)
    torch.save({"epoch": 3}, tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="expected a dict of tensors"):
        import_upstream(tmp_path / "weights.pt", ONE_CAMERA)
    (tmp_path / "weights.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"weights\.pt"):
        import_upstream(tmp_path / "weights.pt", ONE_CAMERA)


def test_damaged_safetensors_are_named(tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"\x10" * 40)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        import_upstream(tmp_path / "weights.safetensors", ONE_CAMERA)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(ONE_CAMERA)
    torch.save(upstream_state(model), tmp_path / "weights.pt")
    (tmp_path / "config.json").write_text(ONE_CAMERA.to_json())
    options = ["--config", str(tmp_path / "config.json")]
    command = ["upstream", str(tmp_path / "weights.pt"), "--to", str(tmp_path / "ours")]
    monkeypatch.setattr("sys.argv", command + options)
    main()
    assert_same_predictions(model, load_checkpoint(tmp_path / "ours"))
    monkeypatch.setattr("sys.argv", [*command, "--config", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match=r"error: .*none\.json"):
        main()


def test_preset_has_the_released_heads() -> None:
    assert UPSTREAM.route_head == "published"
    assert UPSTREAM.vision.token_size == UPSTREAM.language.hidden_size == 512
