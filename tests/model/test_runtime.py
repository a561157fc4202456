from typing import Any

import numpy as np
import pytest
import torch

from model.batch import InputError
from model.config import DEBUG, ModelConfig
from model.loss import distance_along
from model.route import draw_route, equal_spacing
from model.runtime import STAGES, DeviceError, Runtime
from tests.model.samples import make_input, make_model, make_telling_input, points_of, variant

TARGETS = np.array([[12.0, 1.5], [40.0, -3.0]])


def images(config: ModelConfig = DEBUG) -> np.ndarray:
    images = make_input(config, batch=1).camera_images[0].permute(0, 1, 3, 4, 2).numpy()
    return images if config.hist_len > 1 else images[0]


def test_prediction_is_that_of_the_model() -> None:
    model = make_model()
    prediction = Runtime(model, "cpu").predict(images(), 4.0, TARGETS)
    driving_input = make_input(batch=1)._replace(
        vehicle_speed=torch.tensor([[4.0]]), target_point=torch.tensor(TARGETS)[None].float()
    )
    with torch.no_grad():
        output = model(driving_input)
    np.testing.assert_allclose(prediction.speed_wps, output.speed_wps[0], atol=1e-4)
    np.testing.assert_allclose(prediction.route, output.route[0], atol=1e-4)
    assert prediction.speed_wps.dtype == prediction.route.dtype == np.float32


def test_same_input_same_prediction() -> None:
    runtime = Runtime(make_model(), "cpu")
    first, second = (runtime.predict(images(), 4.0, TARGETS) for _ in range(2))
    assert np.array_equal(first.route, second.route)
    assert np.array_equal(first.speed_wps, second.speed_wps)
    faster = runtime.predict(images(), 5.0, TARGETS)
    assert not np.array_equal(first.route, faster.route)


def test_each_stage_is_timed() -> None:
    runtime = Runtime(make_model(), "cpu")
    prediction = runtime.predict(images(), 4.0, TARGETS)
    assert tuple(prediction.stage_ms) == STAGES
    assert all(ms > 0 for ms in prediction.stage_ms.values())
    assert set(runtime.latency.summary()) == {*STAGES, "total"}


def test_a_model_without_a_route_head_drives_along_its_waypoints() -> None:
    runtime = Runtime(make_model(variant(predict_route_as_wps=False)), "cpu")
    prediction = runtime.predict(images(), 4.0, TARGETS)
    assert prediction.route.shape == (20, 2)
    assert prediction.speed_wps.shape == (10, 2)
    expected = equal_spacing(prediction.speed_wps, 1.0, 20)
    np.testing.assert_array_equal(prediction.route, expected)


def test_distances_are_laid_along_the_route() -> None:
    config = variant(speed_wps_mode="1d", speed_step_m=0.4, route_step_m=1.0)
    model = make_model(config)
    prediction = Runtime(model, "cpu").predict(images(), 4.0, TARGETS)
    assert prediction.speed_wps.shape == (10, 2)
    driving_input = make_input(config, batch=1)._replace(
        vehicle_speed=torch.tensor([[4.0]]), target_point=torch.tensor(TARGETS)[None].float()
    )
    with torch.no_grad():
        distances = model(driving_input).speed_wps[0, :, 0]
    along = distance_along(torch.from_numpy(prediction.speed_wps)[None])[0, :, 0]
    assert (along <= distances.clamp(min=0).cummax(0).values + 1e-3).all()
    assert along[-1] > 0


@pytest.mark.parametrize("options", [{"target_points": 1}, {"hist_len": 2}, {"speed_history": 2}])
def test_shapes_follow_the_configuration(options: dict[str, Any]) -> None:
    config = variant(**options)
    speeds = np.full(config.speed_history, 4.0)
    prediction = Runtime(make_model(config), "cpu").predict(images(config), speeds, TARGETS)
    assert np.isfinite(prediction.route).all()


@pytest.mark.usefixtures("narrow_resnets")
def test_route_image_is_drawn_from_the_points() -> None:
    config = variant(route_as="image")
    model = make_model(config)
    route = np.stack([np.arange(20.0), np.zeros(20)], axis=1)
    prediction = Runtime(model, "cpu").predict(images(config), 4.0, route)
    driving_input = make_input(config, batch=1)._replace(
        vehicle_speed=torch.tensor([[4.0]]), map_route=torch.from_numpy(draw_route(route))[None]
    )
    with torch.no_grad():
        output = model(driving_input)
    np.testing.assert_allclose(prediction.route, output.route[0], atol=1e-4)


RUNTIME_INPUTS = {
    "few cameras": ({"images": np.zeros((2, 32, 64, 3), np.uint8)}, "images: expected shape"),
    "wrong size": ({"images": np.zeros((3, 64, 64, 3), np.uint8)}, "images: expected shape"),
    "floats": ({"images": np.zeros((3, 32, 64, 3))}, "images: expected uint8, got float64"),
    "nan speed": ({"speed_mps": np.nan}, r"speed_mps: expected finite numbers, got \[nan\]"),
    "two speeds": ({"speed_mps": np.zeros(2)}, "speed_mps: expected 1 values"),
    "one target": ({"targets_ego_m": np.zeros((1, 2))}, r"targets_ego_m: expected shape \(2, 2\)"),
    "flat target": ({"targets_ego_m": np.zeros(4)}, "targets_ego_m: expected shape"),
    "list of images": ({"images": [1, 2]}, "images: expected a numpy array, got list"),
    "speed in words": ({"speed_mps": "fast"}, "speed_mps: expected numbers, got 'fast'"),
    "ragged": ({"targets_ego_m": [[1.0], [2.0, 3.0]]}, "targets_ego_m: expected numbers"),
    "infinite": ({"targets_ego_m": np.full((2, 2), np.inf)}, "targets_ego_m: expected finite"),
}


@pytest.mark.parametrize(("changes", "message"), RUNTIME_INPUTS.values(), ids=RUNTIME_INPUTS)
def test_bad_input_names_the_argument(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "images": images(),
        "speed_mps": 4.0,
        "targets_ego_m": TARGETS,
        **changes,
    }
    with pytest.raises(InputError, match=message):
        Runtime(make_model(), "cpu").predict(**arguments)


def test_unusable_devices_are_named() -> None:
    with pytest.raises(DeviceError, match="expected cpu, cuda, cuda:N or auto, got 'gpu'"):
        Runtime(make_model(), "gpu")
    with pytest.raises(DeviceError, match="got 'meta'"):
        Runtime(make_model(), "meta")
    with pytest.raises(DeviceError, match=r"'cuda:99' asked for, but torch .* sees \d+ GPUs"):
        Runtime(make_model(), "cuda:99")


@pytest.mark.parametrize(
    ("backend", "message"),
    [("fast", "expected one of auto, eager.* got 'fast'"), ("graphs", "graphs need device=cuda")],
)
def test_a_backend_that_cannot_run_is_named(backend: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message):
        Runtime(make_model(), "cpu", backend=backend)


def test_a_machine_without_compiler_drives_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def compile_nothing(stage: object, **options: object) -> object:
        def fail(*inputs: object) -> object:
            raise RuntimeError("no C++ compiler found")

        return fail

    monkeypatch.setattr(torch, "compile", compile_nothing)
    prediction = Runtime(make_model(), "cpu", backend="compiled").predict(images(), 4.0, TARGETS)
    assert np.isfinite(prediction.route).all()
    assert "running vision uncompiled: no C++ compiler found" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_compiled_stages_predict_the_same() -> None:
    model = make_model()
    eager = Runtime(model, "cpu").predict(images(), 4.0, TARGETS)
    compiled = Runtime(model, "cpu", backend="compiled").predict(images(), 4.0, TARGETS)
    np.testing.assert_allclose(compiled.route, eager.route, atol=1e-4)
    np.testing.assert_allclose(compiled.speed_wps, eager.speed_wps, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("backend", ["eager", "graphs", "compiled"])
def test_gpu_predicts_what_the_cpu_predicts(backend: str) -> None:
    """bfloat16 against float32: within half of what the inputs of another sample change."""
    model = make_model()
    fields = make_telling_input()
    images = fields.camera_images[:, 0].permute(0, 1, 3, 4, 2).numpy()
    speeds, targets = fields.vehicle_speed[:, 0].numpy(), points_of(fields).numpy()
    on_cpu, on_gpu = Runtime(model, "cpu"), Runtime(model, "cuda", backend=backend)
    for row in range(len(images)):
        ours = on_gpu.predict(images[row], speeds[row], targets[row])
        exact = on_cpu.predict(images[row], speeds[row], targets[row])
        others = [
            on_cpu.predict(images[row - 1], speeds[row], targets[row]),
            on_cpu.predict(images[row], speeds[row - 1], targets[row]),
            on_cpu.predict(images[row], speeds[row], targets[row - 1]),
        ]
        error_m = np.square(ours.route - exact.route).mean()
        assert all(error_m < 0.25 * np.square(o.route - exact.route).mean() for o in others)
    assert tuple(ours.stage_ms) == STAGES
