"""Made-up state dicts in the layouts that SimLingo-Base's training code writes."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import CheckpointError, load_checkpoint
from model.config import DEBUG, ModelConfig
from model.driving import DrivingModel
from model.upstream import UPSTREAM, import_upstream, main, our_key, released_config
from tests.model.samples import make_input, make_model, variant
from tests.model.test_torch_file import lightning_content

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


def test_the_published_checkpoint_is_read_without_its_program(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, trap = make_model(ONE_CAMERA), tmp_path / "trace"
    content = lightning_content(trap) | {"state_dict": upstream_state(model)}
    torch.save(content, tmp_path / "last.ckpt")
    with caplog.at_level(logging.WARNING):
        imported = import_upstream(tmp_path / "last.ckpt", ONE_CAMERA)
    assert_same_predictions(model, imported)
    assert not trap.exists()
    assert "last.ckpt: beside the tensors it holds objects of __builtin__, " in caplog.text
    assert "omegaconf, pathlib, tests, torch, typing, which were not built" in caplog.text


def write_deepspeed(folder: Path, state: dict[str, torch.Tensor], trap: Path) -> None:
    """The files that two processes of ZeRO's stage 2 leave: the model in half precision, and the
    float32 weights of two groups, cut in the middle."""
    frozen, buffers = "language_model.model.norm.weight", [k for k in state if "position_ids" in k]
    trained = [key for key in state if key not in (frozen, *buffers)]
    groups = [
        [k for k in trained if state[k].dim() > 1],
        [k for k in trained if state[k].dim() < 2],
    ]
    files = lightning_content(trap) | {
        "module": {k: t.half() if t.is_floating_point() else t for k, t in state.items()},
        "buffer_names": buffers,
        "param_shapes": [{key: state[key].shape for key in group} for group in groups],
        "frozen_param_shapes": {frozen: state[frozen].shape},
        "frozen_param_fragments": {frozen: state[frozen]},
        "shared_params": {},
    }
    del files["state_dict"]
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "latest").write_text("checkpoint")
    torch.save(files, folder / "checkpoint" / "mp_rank_00_model_states.pt")
    flat = [torch.cat([state[key].flatten() for key in group]) for group in groups]
    padded = [torch.cat([group, torch.zeros(-len(group) % 8)]) for group in flat]
    for rank in range(2):
        content: dict[str, Any] = lightning_content(trap)["hyper_parameters"] | {
            "zero_stage": 2,
            "partition_count": [2, 2],
            "single_partition_of_fp32_groups": [group.chunk(2)[rank].clone() for group in padded],
        }
        name = f"bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
        torch.save({"optimizer_state_dict": content}, folder / "checkpoint" / name)


def test_deepspeeds_own_checkpoint(tmp_path: Path) -> None:
    model, trap = make_model(ONE_CAMERA), tmp_path / "trace"
    state = {"_forward_module." + key: t for key, t in upstream_state(model).items()}
    state["language_model.model.norm.weight"] = state.pop(
        "_forward_module.language_model.model.norm.weight"
    )
    write_deepspeed(tmp_path / "zero", state, trap)
    assert_same_predictions(model, import_upstream(tmp_path / "zero", ONE_CAMERA))
    assert_same_predictions(model, import_upstream(tmp_path / "zero" / "checkpoint", ONE_CAMERA))
    assert not trap.exists()
    for part in (tmp_path / "zero" / "checkpoint").glob("*_optim_states.pt"):
        part.unlink()
    halves = import_upstream(tmp_path / "zero", ONE_CAMERA).state_dict()
    for key, tensor in model.state_dict().items():
        assert torch.equal(halves[key], tensor.half().float()), key


def test_parts_of_deepspeed_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write_deepspeed(tmp_path, upstream_state(make_model(ONE_CAMERA)), tmp_path / "trace")
    first, second = sorted((tmp_path / "checkpoint").glob("*_optim_states.pt"))
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(CheckpointError, match=r"expected the parts of 2 processes, got 1.*zero_to"):
        import_upstream(tmp_path, ONE_CAMERA)
    second.write_bytes(content)
    first.unlink()
    with pytest.raises(CheckpointError, match="expected the part of process 0, found none"):
        import_upstream(tmp_path, ONE_CAMERA)
    model_file = tmp_path / "checkpoint" / "mp_rank_00_model_states.pt"
    model_file.rename(model_file.with_name("zero_pp_rank_0_" + model_file.name))
    with pytest.raises(CheckpointError, match=r"stage 1 or 2.*zero_to_fp32\.py"):
        import_upstream(tmp_path, ONE_CAMERA)
    (tmp_path / "latest").write_text("../checkpoint")
    with pytest.raises(CheckpointError, match="latest: expected a folder beside it, got"):
        import_upstream(tmp_path, ONE_CAMERA)


@pytest.mark.parametrize("shard", ["../x.bin", "/x.bin", "a/../../x.bin", "..", "", "a\\x.bin", 3])
def test_an_index_opens_nothing_outside_its_folder(shard: object, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    torch.save(upstream_state(make_model(ONE_CAMERA)), tmp_path / "x.bin")
    index = tmp_path / "inside" / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": {"key": shard}}))
    with pytest.raises(CheckpointError, match=r"index\.json: weight_map\.key: expected the name"):
        import_upstream(tmp_path / "inside", ONE_CAMERA)


def test_shards_that_are_not_what_the_index_says_are_named(tmp_path: Path) -> None:
    state = upstream_state(make_model(ONE_CAMERA))
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(state, "one.bin")}))
    with pytest.raises(CheckpointError, match=r"one\.bin"):
        import_upstream(tmp_path, ONE_CAMERA)
    missing = next(iter(state))
    torch.save({key: t for key, t in state.items() if key != missing}, tmp_path / "one.bin")
    with pytest.raises(CheckpointError, match=rf"one\.bin: missing key {missing}"):
        import_upstream(tmp_path, ONE_CAMERA)
    for text in ("{", "[]", "{}", '{"weight_map": []}', "[" * 100_000):
        index.write_text(text)
        with pytest.raises(CheckpointError, match=r"index\.json: "):
            import_upstream(tmp_path, ONE_CAMERA)


def test_adapters_come_with_pefts_names(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    adapted = dataclasses.replace(
        ONE_CAMERA, language=dataclasses.replace(ONE_CAMERA.language, lora=True)
    )
    model = make_model(adapted)
    # As upstream adds them: peft wraps the whole Llama and takes all of its Linears.
    plain = make_model(ONE_CAMERA).language_model.model
    wrapped = get_peft_model(plain, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    prefix = "language_model.model."
    theirs = {prefix + key for key in wrapped.state_dict() if "rotary" not in key}
    assert any(key.startswith(prefix + "base_model.model.layers.0.") for key in theirs)
    state = {
        key.replace(prefix, prefix + "base_model.model."): tensor
        for key, tensor in upstream_state(model).items()
    }
    assert theirs <= state.keys()
    torch.save(state, tmp_path / "weights.pt")
    assert_same_predictions(model, import_upstream(tmp_path / "weights.pt", adapted))
    assert released_config(state, 1).language.lora
    assert not released_config(upstream_state(make_model(ONE_CAMERA)), 1).language.lora


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


def test_preset_is_that_of_the_published_experiments() -> None:
    assert UPSTREAM.image_enhancing
    assert UPSTREAM.route_head == "published"
    assert UPSTREAM.vision.token_size == UPSTREAM.language.hidden_size == 512
