"""What images must show: geometry to the pixel, lamps, weather, and arrays of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.simulator.render.frame import (
    Bodies,
    BodyKind,
    CameraView,
    ClearWeather,
    LampState,
    LightFlag,
    RenderFrame,
)
from evaluation.simulator.render.renderer import Renderer
from evaluation.simulator.town.scenery import Material, Scenery, StreetLamps
from tests.evaluation.simulator.render.render_scenes import (
    body,
    camera,
    ground,
    needs_opengl,
    street,
)

pytestmark = needs_opengl

Image = NDArray[np.uint8]
MAGENTA = (255, 0, 255)
NOON = ClearWeather(sun_altitude_angle=80.0, cloudiness=0.0)


@pytest.fixture(scope="module")
def empty() -> Iterator[Renderer]:
    with Renderer(Scenery()) as renderer:
        yield renderer


@pytest.fixture(scope="module")
def town() -> Iterator[Renderer]:
    with Renderer(street()) as renderer:
        yield renderer


def lit(state: int) -> RenderFrame:
    return RenderFrame(lamp_states=np.array([state], np.uint8))


def magenta_share(image: Image) -> NDArray[np.float64]:
    """How magenta each pixel is (h, w), 0 to 1: a thing half over a pixel counts half."""
    blue, green, red = (image[..., i].astype(float) for i in range(3))
    excess: NDArray[np.float64] = np.clip(np.minimum(red, blue) - green - 12.0, 0.0, None)
    excess /= max(float(excess.max()), 1.0)
    return excess


def pinhole_px(view: CameraView, point: NDArray[np.float64]) -> tuple[float, float]:
    """The pixel of a world point by K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]]."""
    seen = np.linalg.inv(view.world_from_camera) @ np.append(point, 1.0)
    focal = view.width_px / (2.0 * np.tan(np.radians(view.fov_deg) / 2.0))
    return (
        view.width_px / 2.0 + focal * seen[1] / seen[0],
        view.height_px / 2.0 - focal * seen[2] / seen[0],
    )


@pytest.mark.parametrize(
    ("angles_deg", "size", "fov_deg", "target"),
    [
        ((0, 0, 0), (192, 96), 65.0, (12.0, 2.0, 1.0)),
        ((0, 0, 0), (192, 96), 65.0, (12.0, -5.0, 4.0)),
        ((0, 0, -58), (192, 96), 65.0, (9.0, -12.0, 2.0)),
        ((0, 0, 58), (192, 96), 65.0, (9.0, 12.0, 2.0)),
        ((0, 0, 170), (300, 200), 90.0, (-14.0, 1.0, 0.5)),
        ((0, -12, 0), (192, 96), 65.0, (12.0, 1.0, 0.5)),
        ((0, 20, 30), (160, 120), 80.0, (10.0, 6.0, 6.0)),
        ((25, 0, 0), (256, 256), 70.0, (12.0, 4.0, 4.0)),
        ((-40, 10, -20), (255, 131), 100.0, (11.0, -6.0, 5.0)),
        ((0, 0, 0), (1024, 512), 110.0, (20.0, 15.0, 7.0)),
    ],
)
def test_body_appears_at_the_pinhole_pixel(
    empty: Renderer,
    angles_deg: tuple[float, float, float],
    size: tuple[int, int],
    fov_deg: float,
    target: tuple[float, float, float],
) -> None:
    view = camera((0.0, 0.0, 2.0), angles_deg, size, fov_deg)
    box = body(BodyKind.PROP, target, (0.25, 0.25, 0.25), colour=MAGENTA)
    image = empty.render(RenderFrame(bodies=box, weather=NOON), [view])[0]
    # Its sides are lit unequally: count them all alike.
    share = (magenta_share(image) > 0.2).astype(float)
    rows, columns = np.indices(share.shape) + 0.5
    found = (columns * share).sum() / share.sum(), (rows * share).sum() / share.sum()
    assert found == pytest.approx(pinhole_px(view, np.array(target)), abs=0.6)


def test_distant_boxes_fill_exactly_the_pixels_they_cover(empty: Renderer) -> None:
    """A wall whose edges project on pixel borders leaves the pixels outside untouched."""
    view = camera((0.0, 0.0, 0.0), size=(200, 100), fov_deg=90.0)
    wall = body(BodyKind.PROP, (20.5, 0.0, 0.0), (0.5, 2.0, 1.0), colour=MAGENTA)
    share = magenta_share(empty.render(RenderFrame(bodies=wall, weather=NOON), [view])[0])
    # f = 100 px: at 20 m one metre is 5 px.
    assert (share[45:55, 90:110] > 0.5).all()
    outside = share.copy()
    outside[45:55, 90:110] = 0.0
    assert outside.max() < 0.05


def test_left_is_left_and_up_is_up(empty: Renderer) -> None:
    left_high = body(BodyKind.PROP, (10.0, -4.0, 4.0), (0.3, 0.3, 0.3), colour=MAGENTA)
    share = magenta_share(empty.render(RenderFrame(bodies=left_high), [camera()])[0])
    height, width = share.shape
    assert share[: height // 2, : width // 2].sum() == pytest.approx(share.sum())


def test_writing_is_not_mirrored(town: Renderer) -> None:
    """The 5 of the sign for 50 stands left of the 0: only the 5 has a gap on its upper right."""
    view = camera((10.4, -6.0, 2.2), size=(100, 100), fov_deg=30.0)
    image = town.render(lit(LampState.OFF), [view])[0]
    dark = (image[..., :3].max(axis=2) < 90).astype(float)
    middle = dark[30:70, 25:75]
    left, right = middle[:, :25], middle[:, 25:]
    assert left.sum() > 20
    # The 0 is mirror symmetric, the 5 is not.
    assert np.abs(right - right[:, ::-1]).sum() < np.abs(left - left[:, ::-1]).sum()


def test_images_repeat_bit_for_bit_also_in_another_renderer(town: Renderer) -> None:
    frame = replace(lit(LampState.RED), bodies=body(BodyKind.CAR, (12, 1, 0.8), (2.3, 0.9, 0.7)))
    views = [camera(), camera(angles_deg=(0, 0, 58))]
    first = town.render(frame, views)
    town.render(lit(LampState.GREEN), [camera(size=(64, 64))])
    again = town.render(frame, views)
    with Renderer(street()) as other:
        elsewhere = other.render(frame, views)
    for one, two, three in zip(first, again, elsewhere, strict=True):
        assert np.array_equal(one, two)
        assert np.array_equal(one, three)
    assert not np.array_equal(first[0], town.render(lit(LampState.GREEN), views)[0])


def test_images_are_the_callers_own(town: Renderer) -> None:
    for samples in (1, 4):
        with Renderer(Scenery(), samples) as renderer:
            kept = renderer.render(RenderFrame(), [camera(), camera()])
            before = [image.copy() for image in kept]
            assert all(image.base is None or image.flags.owndata for image in kept)
            renderer.render(
                RenderFrame(weather=ClearWeather(sun_altitude_angle=-40)), [camera()] * 2
            )
            assert all(np.array_equal(a, b) for a, b in zip(kept, before, strict=True))
            kept[0][:] = 0
            assert np.array_equal(kept[1], before[1])


def test_cameras_of_all_sizes_share_a_call(town: Renderer) -> None:
    sizes = [(192, 96), (1, 1), (333, 77), (192, 200), (640, 480)]
    views = [camera(size=size) for size in sizes]
    together = town.render(lit(LampState.RED), views)
    for size, view, image in zip(sizes, views, together, strict=True):
        assert image.shape == (size[1], size[0], 4)
        assert image.dtype == np.uint8
        assert (image[..., 3] == 255).all()
        alone = town.render(lit(LampState.RED), [view])[0]
        # Another place in the atlas rounds the shading differently, by a grey level or three.
        assert np.abs(image.astype(int) - alone).max() <= 4


LAMP_VIEW = camera((10.0, 3.0, 4.0), size=(120, 120), fov_deg=20.0)


@pytest.mark.parametrize(
    ("state", "row_m", "channels"),
    [
        (LampState.RED, 0.39, (False, False, True)),
        (LampState.YELLOW, 0.0, (False, True, True)),
        (LampState.GREEN, -0.39, (False, True, False)),
    ],
)
def test_active_lamp_shines_in_its_place(
    town: Renderer, state: LampState, row_m: float, channels: tuple[bool, bool, bool]
) -> None:
    on, off = (town.render(lit(s), [LAMP_VIEW])[0].astype(int) for s in (state, LampState.OFF))
    column, row = (int(v) for v in pinhole_px(LAMP_VIEW, np.array([19.9, 3.0, 4.0 + row_m])))
    lamp = on[row - 2 : row + 3, column - 2 : column + 3, :3].mean(axis=(0, 1))
    assert tuple(bool(v > 170) for v in lamp) == channels
    changed = np.abs(on - off)[..., :3].max(axis=2) > 10
    rows = np.flatnonzero(changed.any(axis=1))
    assert rows.min() > row - 10
    assert rows.max() < row + 10


def test_lamps_show_from_the_front_only(town: Renderer) -> None:
    behind = camera((30.0, 3.0, 4.0), (0, 0, 180), (120, 120), 20.0)
    red, green = (town.render(lit(s), [behind])[0] for s in (LampState.RED, LampState.GREEN))
    assert np.array_equal(red, green)


def test_lamp_is_seen_by_a_small_camera(town: Renderer) -> None:
    view = camera((-1.0, 0.0, 2.2))
    red, green = (
        town.render(lit(s), [view])[0].astype(int) for s in (LampState.RED, LampState.GREEN)
    )
    assert np.abs(red - green).max() > 80


def test_brake_lights_and_blinkers(empty: Renderer) -> None:
    def image(flags: int, time_s: float = 0.1) -> NDArray[np.int64]:
        car = body(BodyKind.CAR, (8.0, 0.0, 0.8), (2.3, 0.9, 0.7), flags=flags)
        return empty.render(RenderFrame(bodies=car, time_s=time_s), [camera()])[0].astype(np.int64)

    plain, braking = image(0), image(LightFlag.BRAKE)
    assert (braking - plain)[..., 2].max() > 100
    blink_on, blink_off = image(LightFlag.LEFT_BLINKER), image(LightFlag.LEFT_BLINKER, 0.5)
    later = image(0, 0.5)
    changed = np.flatnonzero(np.abs(blink_on - plain).max(axis=(0, 2)) > 20)
    assert len(changed)
    assert changed.max() < 96
    assert np.array_equal(blink_off, later)


def test_near_things_hide_far_things(empty: Renderer) -> None:
    far = body(BodyKind.PROP, (20.0, 0.0, 1.5), (0.5, 1.0, 1.0), colour=MAGENTA)
    near = body(BodyKind.PROP, (8.0, 0.0, 1.5), (0.5, 1.2, 1.5), colour=(0, 200, 0))
    both = Bodies(
        **{
            name: np.concatenate([getattr(far, name), getattr(near, name)])
            for name in Bodies.__dataclass_fields__
        }
    )
    alone = magenta_share(empty.render(RenderFrame(bodies=far), [camera()])[0])
    hidden = empty.render(RenderFrame(bodies=both), [camera()])[0]
    assert alone.sum() > 20
    blue, green, red = (hidden[..., i].astype(int) for i in range(3))
    assert not ((np.minimum(red, blue) - green) > 60).any()


def test_markings_lie_on_the_road_at_every_distance(town: Renderer) -> None:
    image = town.render(lit(LampState.OFF), [camera(size=(512, 256))])[0].astype(int)
    # The line runs along x under the camera: the middle column below the horizon is brighter.
    for row in range(150, 256, 5):
        assert image[row, 254:258, 0].max() > image[row, 200:230, 0].mean() + 20


@pytest.mark.parametrize(
    "weather",
    [
        ClearWeather(sun_altitude_angle=-30.0),
        ClearWeather(sun_altitude_angle=4.0),
        ClearWeather(sun_azimuth_angle=220.0),
        ClearWeather(cloudiness=100.0),
        ClearWeather(fog_density=60.0),
        ClearWeather(wetness=100.0),
        ClearWeather(precipitation=90.0),
        ClearWeather(wetness=60.0, precipitation_deposits=100.0),
    ],
)
def test_weather_changes_the_image(town: Renderer, weather: ClearWeather) -> None:
    clear, changed = (
        town.render(replace(lit(LampState.RED), weather=w), [camera()])[0].astype(int)
        for w in (ClearWeather(), weather)
    )
    assert np.abs(clear - changed).mean() > 1.0


def test_night_is_dark_and_fog_hides_the_distance(town: Renderer) -> None:
    def mean(weather: ClearWeather) -> Image:
        frame = RenderFrame(weather=weather, lamp_states=np.array([0], np.uint8))
        return town.render(frame, [camera()])[0]

    assert mean(ClearWeather(sun_altitude_angle=-40.0)).mean() < 0.5 * mean(ClearWeather()).mean()
    clear, fog = mean(ClearWeather()), mean(ClearWeather(fog_density=100.0))
    house = (slice(20, 45), slice(150, 190))
    assert fog[house].std() < 0.5 * clear[house].std()


def test_low_beams_light_the_road_at_night(empty: Renderer) -> None:
    with Renderer(street()) as renderer:
        images = []
        for flags in (0, LightFlag.LOW_BEAM):
            car = body(BodyKind.CAR, (4.0, 0.0, 0.7), (2.3, 0.9, 0.7), flags=flags)
            night = ClearWeather(sun_altitude_angle=-40.0)
            frame = RenderFrame(car, np.array([0], np.uint8), night)
            images.append(renderer.render(frame, [camera((-4.0, 0.0, 4.0))])[0].astype(int))
    assert (images[1] - images[0])[..., :3].max() > 40


@pytest.mark.parametrize(("sun_deg", "road_is_lit"), [(-40.0, True), (60.0, False)])
def test_a_street_lamp_is_seen_and_lights_the_road_at_night(
    sun_deg: float, *, road_is_lit: bool
) -> None:
    lamps = StreetLamps(np.array([[12.0, 2.0, 6.0]], np.float32), np.array([6.0], np.float32))
    night = ClearWeather(sun_altitude_angle=sun_deg)
    images = []
    with Renderer(replace(street(), street_lamps=lamps)) as renderer:
        for rgb in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
            frame = RenderFrame(weather=night, street_lights=np.array([rgb], np.float32))
            images.append(renderer.render(frame, [camera((0.0, 0.0, 4.0))])[0].astype(int))
        off = renderer.render(RenderFrame(weather=night), [camera((0.0, 0.0, 4.0))])[0]
    np.testing.assert_array_equal(off, images[0])
    more = (images[1] - images[0])[..., :3].min(axis=2)
    assert more[:40].max() > 20
    assert (more[60:].max() > 20) == road_is_lit


def test_every_kind_of_body_is_drawn(empty: Renderer) -> None:
    nothing = empty.render(RenderFrame(), [camera()])[0].astype(int)
    halves = {
        BodyKind.CAR: (2.3, 0.9, 0.7),
        BodyKind.VAN: (2.8, 1.0, 1.2),
        BodyKind.TRUCK: (4.0, 1.25, 1.75),
        BodyKind.BUS: (5.4, 1.25, 1.6),
        BodyKind.MOTORCYCLE: (1.0, 0.4, 0.8),
        BodyKind.BICYCLE: (0.8, 0.3, 0.8),
        BodyKind.WALKER: (0.19, 0.19, 0.93),
        BodyKind.PROP: (0.2, 0.2, 0.4),
        BodyKind.DOOR: (0.55, 0.06, 0.6),
    }
    for kind in BodyKind:
        thing = body(kind, (10.0, 0.0, 1.0), halves[kind], yaw=0.5)
        image = empty.render(RenderFrame(bodies=thing), [camera()])[0].astype(int)
        assert (np.abs(image - nothing).max(axis=2) > 20).sum() > 15, kind


def test_a_street_lamp_lights_the_ground_less_and_less_outwards() -> None:
    # Three pools of 10, 7 and 4 m radius that add 0.11 of the brightest each, softly ended.
    scenery = Scenery(
        meshes=(ground(Material.ROAD, (-50.0, 50.0), (-50.0, 50.0), 0.0),),
        street_lamps=StreetLamps(
            np.array([[0.0, 0.0, 7.6]], np.float32), np.array([7.6], np.float32)
        ),
    )
    night = ClearWeather(sun_altitude_angle=-90.0)
    view = camera((0.0, 0.0, 20.0), (0.0, -90.0, 0.0), (200, 200), 90.0)
    with Renderer(scenery) as renderer:
        dark, lit = (
            renderer.render(
                RenderFrame(weather=night, street_lights=np.full((1, 3), share, np.float32)), [view]
            )[0].astype(np.float64)
            for share in (0.0, 1.0)
        )
    # The pools lie 0.15 m above the ground: 1 m is 100 / 19.85 pixels.
    for side in (-1.0, 1.0):
        for away_m, pools in ((2.0, 3.0), (5.0, 2.0), (7.2, 1.0), (9.0, 0.55), (11.0, 0.0)):
            row = round(99.5 + side * away_m * 100.0 / 19.85)
            added = (lit - dark)[row, 98:102, :3].mean() / 255.0
            assert added == pytest.approx(0.11 * pools, abs=0.02), away_m
