import dataclasses
import json

import numpy as np
import pytest

from model.config import BASE, DEBUG, LANGUAGE_PRESETS, NANO, PRESETS, CameraConfig, ModelConfig
from model.driving import DrivingModel
from model.strict_json import ConfigError
from tests.model.samples import variant


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_json_round_trip(preset: ModelConfig) -> None:
    assert ModelConfig.from_json(preset.to_json()) == preset


EMPTY_LANGUAGE = dataclasses.asdict(DEBUG.language) | {"layers": 0}


def edited(**changes: object) -> str:
    plain = json.loads(DEBUG.to_json())
    plain.update(changes)
    return json.dumps({key: value for key, value in plain.items() if value != "dropped"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "config: expected an object"),
        (edited(colour="red"), "colour: unknown key"),
        (edited(hist_len="dropped"), "hist_len: missing"),
        (edited(hist_len="1"), "hist_len: expected int, got '1'"),
        (edited(hist_len=True), "hist_len: expected int, got True"),
        (edited(hist_len=0), "hist_len: expected 1 to 64, got 0"),
        (edited(adaptor_size=0), "adaptor_size: expected 1 to 16384, got 0"),
        (edited(cameras=2 * json.loads(DEBUG.to_json())["cameras"][:1]), "a name of its own"),
        (edited(language=EMPTY_LANGUAGE), "language.layers: expected 1 to 100, got 0"),
        (edited(route_as="gps"), "route_as: expected one of"),
        (edited(target_points=3), "target_points: expected 1 to 2, got 3"),
        (edited(speed_wps_mode="3d"), "speed_wps_mode: expected one of"),
        (edited(cameras=[]), "cameras: expected 1 to 6"),
        (edited(cameras=[{}]), r"cameras\[0\].name: missing"),
        (edited(cameras={}), "cameras: expected a list"),
        (edited(vision={"encoder": "llava", "depth": 3}), "vision.depth: unknown key"),
        (edited(route_head="published", route_step_m=1.0), "speed_step_m: expected 0"),
        (edited(speed_wps_mode="1d", predict_route_as_wps=False), "predict_route_as_wps"),
    ],
)
def test_bad_json_names_the_field(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_json(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_px": 7}, "vision.tile_px: expected a multiple of patch_px, got 32"),
        ({"grid_pinpoints": ((32, 40),)}, "vision.grid_pinpoints"),
        ({"downsample_feature_grid_factor": 3}, "downsample_feature_grid_factor"),
        ({"feature_layer": 0}, "vision.feature_layer"),
        ({"heads": 5}, "vision.heads"),
        ({"heads": 0}, "vision.heads: expected 1 to 128, got 0"),
        ({"patch_px": 0}, "vision.patch_px: expected 1 to 4096, got 0"),
        ({"encoder": "resnet50"}, "vision.encoder"),
    ],
)
def test_bad_vision_option_names_the_field(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        variant(vision=changes)


def test_cameras_of_different_sizes_are_refused() -> None:
    cameras = (DEBUG.cameras[0], dataclasses.replace(DEBUG.cameras[1], width_px=32))
    with pytest.raises(ConfigError, match="cameras: expected images of one size"):
        dataclasses.replace(DEBUG, cameras=cameras)


def test_intrinsics_put_the_edge_of_the_view_at_the_edge_of_the_image() -> None:
    camera = BASE.cameras[0]
    half = np.radians(camera.fov_deg / 2)
    ray = np.array([np.sin(half), 0.0, np.cos(half)])
    pixel = camera.intrinsics() @ ray
    assert pixel[:2] / pixel[2] == pytest.approx([1024, 256])


def test_extrinsics_follow_carla_signs() -> None:
    camera = CameraConfig("c", 1.0, 2.0, 3.0, 0.0, 30.0, 90.0, 8, 8, 90.0)
    ahead = camera.extrinsics() @ [1.0, 0.0, 0.0, 1.0]
    assert ahead[:3] == pytest.approx([1.0, 2.0 + np.cos(np.pi / 6), 3.0 + 0.5], abs=1e-6)


def test_rolled_camera_agrees_with_carla() -> None:
    carla = pytest.importorskip("carla", reason="needs the carla wheel")
    camera = CameraConfig("c", 0.5, -1.0, 2.0, 11.0, -23.0, 131.0, 8, 8, 90.0)
    transform = carla.Transform(
        carla.Location(camera.x_m, camera.y_m, camera.z_m),
        carla.Rotation(roll=camera.roll_deg, pitch=camera.pitch_deg, yaw=camera.yaw_deg),
    )
    np.testing.assert_allclose(camera.extrinsics(), transform.get_matrix(), atol=1e-6)


def test_base_has_the_published_size() -> None:
    """MODEL: ViT-L without its last layer, the projector, a 50.3 M Llama; 633 tokens."""
    import torch

    with torch.device("meta"):
        model = DrivingModel(BASE)

    def millions(module: torch.nn.Module) -> float:
        return sum(parameter.numel() for parameter in module.parameters()) / 1e6

    assert model.sequence_length == 633
    assert model.vision_model.tokens_per_image == 200
    assert millions(model.language_model) == pytest.approx(50.3, abs=0.1)
    assert millions(model.vision_model.get_submodule("tower")) == pytest.approx(290.9, abs=0.1)
    assert millions(model.vision_model.get_submodule("projector")) == pytest.approx(21.0, abs=0.1)


def test_language_presets_have_the_published_sizes() -> None:
    sizes = {n: (p.layers, p.heads, p.hidden_size, p.mlp_size) for n, p in LANGUAGE_PRESETS.items()}
    assert sizes == {
        "debug": (2, 2, 32, 64),
        "tiny": (12, 8, 512, 2048),
        "x-small": (14, 8, 1024, 4096),
        "small": (22, 8, 1024, 4096),
        "medium": (22, 12, 1536, 4096),
        "large": (22, 16, 2048, 5632),
    }


def test_nano_is_small() -> None:
    parameters = sum(p.numel() for p in DrivingModel(NANO).parameters())
    assert parameters < 10_000_000


def test_rigs_store_the_front_camera_first() -> None:
    for preset in (BASE, NANO):
        assert [camera.name for camera in preset.cameras] == ["rgb", "rgb_left", "rgb_right"]
        assert preset.cameras[1].yaw_deg == -preset.cameras[2].yaw_deg < 0.0
