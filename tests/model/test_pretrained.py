"""Made-up shards in the layouts of transformers 4.x and 5.x, larger than what is wanted."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoint import CheckpointError
from model.download import SOURCES, collect, main
from model.driving import DrivingModel
from model.pretrained import load_pretrained
from model.vision import LLaVAnextEncoderModel
from tests.model.samples import make_model, variant

LAYOUTS = {
    "4.x": ("vision_tower.vision_model.", "multi_modal_projector.", "image_newline"),
    "4.5x": (
        "model.vision_tower.vision_model.",
        "model.multi_modal_projector.",
        "model.image_newline",
    ),
    "5.x": ("model.vision_tower.", "model.multi_modal_projector.", "model.image_newline"),
}


def hub_weights(model: DrivingModel, layout: str) -> dict[str, torch.Tensor]:
    """Half precision as on the hub, with the parts that we leave out."""
    tower, projector, newline = LAYOUTS[layout]
    encoder = model.vision_model
    assert isinstance(encoder, LLaVAnextEncoderModel)
    weights = {tower + k: v for k, v in encoder.get_submodule("tower").state_dict().items()}
    weights |= {tower + "post_layernorm.weight": torch.ones(32)}
    weights |= {tower + "encoder.layers.2.mlp.fc1.bias": torch.ones(64)}
    parts = encoder.get_submodule("projector").state_dict()
    weights |= {projector + key: value for key, value in parts.items()}
    weights[newline] = encoder.image_newline.detach()
    return {key: value.half() for key, value in weights.items()}


def write_shards(weights: dict[str, torch.Tensor], directory: Path) -> None:
    language = {"language_model.model.embed_tokens.weight": torch.zeros(1000, 8)}
    names = sorted(weights)
    shards = {
        "model-00001-of-00003.safetensors": {n: weights[n] for n in names[::2]} | language,
        "model-00002-of-00003.safetensors": {n: weights[n] for n in names[1::2]},
    }
    weight_map = {name: shard for shard, content in shards.items() for name in content}
    # A shard with nothing but language: it must not even be opened.
    weight_map["language_model.lm_head.weight"] = "model-00003-of-00003.safetensors"
    directory.mkdir(exist_ok=True)
    for shard, content in shards.items():
        save_file(content, directory / shard)
    index = directory / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_vision_half_is_collected_and_loaded(layout: str, tmp_path: Path) -> None:
    trained, model = make_model(seed=1), make_model(seed=2)
    write_shards(hub_weights(trained, layout), tmp_path / "hub")
    path = collect("llava", str(tmp_path / "hub"), tmp_path)
    assert not any("language" in name for name in load_file(path))
    projection = model.vision_model.projection.weight.clone()
    assert load_pretrained(model, tmp_path) == ["llava.safetensors"]
    for name in ("tower", "projector"):
        ours = model.vision_model.get_submodule(name).state_dict()
        theirs = trained.vision_model.get_submodule(name).state_dict()
        for key, tensor in ours.items():
            assert torch.equal(tensor, theirs[key].half().float()), key
    assert torch.equal(model.vision_model.projection.weight, projection)


def test_a_single_file_serves_as_well(tmp_path: Path) -> None:
    weights = hub_weights(make_model(seed=1), "5.x")
    (tmp_path / "hub").mkdir()
    save_file(weights, tmp_path / "hub" / "model.safetensors")
    collect("llava", str(tmp_path / "hub"), tmp_path)
    load_pretrained(make_model(), tmp_path)


@pytest.mark.usefixtures("narrow_resnets")
def test_resnets_are_collected_without_their_classifier(tmp_path: Path) -> None:
    config = variant(vision={"encoder": "resnet34"}, route_as="image")
    trained, model = make_model(config, seed=1), make_model(config, seed=2)
    towers = {
        "resnet34": trained.vision_model.get_submodule("tower"),
        "resnet18": trained.context.get_submodule("route_encoder.backbone"),
    }
    for part, tower in towers.items():
        (tmp_path / part).mkdir()
        weights = {"resnet." + key: value for key, value in tower.state_dict().items()}
        weights["classifier.1.weight"] = torch.zeros(10, 512)
        save_file(weights, tmp_path / part / "model.safetensors")
        collect(part, str(tmp_path / part), tmp_path)
    assert load_pretrained(model, tmp_path) == ["resnet34.safetensors", "resnet18.safetensors"]
    for key, tensor in towers["resnet18"].state_dict().items():
        loaded = model.context.get_submodule("route_encoder.backbone").state_dict()[key]
        assert torch.equal(loaded, tensor), key


def test_faults_are_named(tmp_path: Path) -> None:
    model = make_model()
    with pytest.raises(CheckpointError, match=r"llava.safetensors.*python -m model.download"):
        load_pretrained(model, tmp_path)
    weights = hub_weights(model, "5.x")
    del weights["model.vision_tower.pre_layrnorm.weight"]
    write_shards(weights, tmp_path / "hub")
    collect("llava", str(tmp_path / "hub"), tmp_path)
    with pytest.raises(CheckpointError, match=r"missing key tower.pre_layrnorm.weight"):
        load_pretrained(model, tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    save_file({"colour": torch.zeros(1)}, empty / "model.safetensors")
    with pytest.raises(CheckpointError, match="expected tensors of llava, got none"):
        collect("llava", str(empty), tmp_path)


def test_sources_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such directory"):
        collect("llava", str(tmp_path / "mistyped"), tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot read llava: FileNotFoundError"):
        collect("llava", str(tmp_path), tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"image_newline": "gone.safetensors"}}')
    with pytest.raises(CheckpointError, match=r"cannot read llava: .*gone\.safetensors"):
        collect("llava", str(tmp_path), tmp_path)
    index.write_text('{"weight_map": ')
    with pytest.raises(CheckpointError, match=r"cannot read llava: .*expected JSON"):
        collect("llava", str(tmp_path), tmp_path)


def test_without_a_network_there_is_one_line_of_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ConnectError(Exception):
        """Of an HTTP library: no OSError."""

    def unreachable(self: object, *arguments: object, **named: object) -> None:
        raise ConnectError("Name or service not known\nand more")

    monkeypatch.setattr("huggingface_hub.HfFileSystem.open", unreachable)
    monkeypatch.setattr("sys.argv", ["download", "--to", str(tmp_path / "parts")])
    with pytest.raises(SystemExit) as ended:
        main()
    line = str(ended.value)
    assert "\n" not in line
    assert "ConnectError: Name or service not known; is the Hugging Face hub within reach" in line
    assert line.endswith("--llava DIRECTORY")


def test_a_place_that_cannot_be_written_to_is_found_first(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="file/parts: expected a folder, cannot make it"):
        collect("llava", str(tmp_path / "hub"), tmp_path / "file" / "parts")


def test_a_resnet_is_not_looked_for_in_a_language_model(tmp_path: Path) -> None:
    write_shards(hub_weights(make_model(), "5.x"), tmp_path)
    for shard in tmp_path.glob("*.safetensors"):
        shard.write_bytes(b"")
    with pytest.raises(CheckpointError, match="expected tensors of resnet18, got none"):
        collect("resnet18", str(tmp_path), tmp_path)


def test_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(hub_weights(make_model(), "4.x"), tmp_path / "hub")
    command = ["download", "--to", str(tmp_path / "parts"), "--llava"]
    monkeypatch.setattr("sys.argv", [*command, str(tmp_path / "hub")])
    main()
    assert capsys.readouterr().out == f"{tmp_path / 'parts' / 'llava.safetensors'}\n"
    load_pretrained(make_model(), tmp_path / "parts")
    monkeypatch.setattr("sys.argv", [*command, str(tmp_path / "mistyped")])
    with pytest.raises(SystemExit, match=r"error: .*mistyped: no such directory"):
        main()


@pytest.mark.network
@pytest.mark.skipif(
    "HUB_TESTS" not in os.environ,
    reason="reads 45 MB from the model hub: HUB_TESTS=1",
)
def test_a_resnet_comes_from_the_hub(tmp_path: Path) -> None:
    weights = load_file(collect("resnet18", SOURCES["resnet18"], tmp_path))
    assert weights["embedder.embedder.convolution.weight"].shape == (64, 3, 7, 7)


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    write_shards(hub_weights(make_model(), "4.x"), tmp_path)
    shard = tmp_path / "model-00002-of-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r"model-00002-of-00003.*expected \d+ bytes"):
        collect("llava", str(tmp_path), tmp_path)
    shard.write_bytes(b"<html>")
    with pytest.raises(CheckpointError, match="expected a safetensors file"):
        collect("llava", str(tmp_path), tmp_path)
