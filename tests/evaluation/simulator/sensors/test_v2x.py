"""V2X: when messages go out, how strongly they arrive, and what the official client reads."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import carla
import numpy as np
import pytest

from evaluation.simulator.catalogue.blueprints import BlueprintLibrary
from evaluation.simulator.options import ServeOptions
from evaluation.simulator.sensors.awareness import CamRhythm, Motion
from evaluation.simulator.sensors.radio_channel import Link, RadioChannel, Sight
from evaluation.simulator.sensors.ray_scene import RayScene
from evaluation.simulator.sensors.saved_sensors import save_sensor
from evaluation.simulator.server import SimulatorServer
from evaluation.simulator.town.town import Town, load_town
from evaluation.simulator.wire.actor_records import AttributeValue, Description
from evaluation.simulator.wire.codec import Transform, Vector3D, WireError
from evaluation.simulator.wire.settings_records import EpisodeSettings
from evaluation.simulator.wire.v2x_records import CAM_RECORD, CUSTOM_RECORD
from evaluation.simulator.world.world import World
from tests.evaluation.simulator.client_session import DELTA_S, ClientSession, pose

CAR, LORRY = "vehicle.lincoln.mkz_2020", "vehicle.carlamotors.carlacola"
STILL = {"use_etsi_fading": "false", "path_loss_model": "winner", "scenario": "urban"}
MOUNT = carla.Transform()
URBAN_100_M_DBM = 21.5 + 10.0 - (38.77 + 16.7 * 2.0 + 18.2 * math.log10(5.9))


def description(**attributes: object) -> Description:
    values = tuple(AttributeValue(name, 4, str(value)) for name, value in attributes.items())
    return Description(0, "sensor.other.v2x", values)


def test_records_are_as_large_as_the_structs_of_the_wheel() -> None:
    # sizeof of CAMData and CustomV2XData in the wheel's debugging information.
    assert (CAM_RECORD.itemsize, CUSTOM_RECORD.itemsize) == (464, 136)


@pytest.mark.parametrize(
    ("attributes", "link", "loss_db"),
    [
        ({}, Link(100.0, (1.5, 1.5)), 32.4 + 40.0 + 15.417),
        ({"scenario": "urban"}, Link(100.0, (1.5, 1.5)), 38.77 + 33.4 + 14.030),
        ({"scenario": "rural"}, Link(1000.0, (1.5, 1.5)), 38.77 + 50.1 + 14.030),
        ({}, Link(100.0, (1.5, 1.5), Sight.BUILDINGS), 36.85 + 60.0 + 14.569),
        # v = 1.5 sqrt(2 x 100 / (0.050812 x 50 x 50)) = 1.882; 6.9 + 20 log10(2.044 + 1.782).
        ({}, Link(100.0, (1.5, 1.5), Sight.VEHICLES, [(50.0, 50.0, 1.5)]), 87.817 + 18.554),
        # The higher of two roofs counts.
        (
            {},
            Link(100.0, (1.5, 1.5), Sight.VEHICLES, [(50.0, 50.0, 0.5), (50.0, 50.0, 1.5)]),
            87.817 + 18.554,
        ),
        # 4 pi 1 m / wavelength is 47.863 dB.
        ({"path_loss_model": "geometric"}, Link(100.0, (1, 1), Sight.BUILDINGS), 47.863 + 54.0),
        (
            {"path_loss_model": "geometric", "path_loss_exponent": 2.0, "d_ref": 10.0},
            Link(100.0, (1, 1), Sight.BUILDINGS),
            47.863 + 20.0 + 20.0,
        ),
        (
            {"path_loss_model": "geometric"},
            Link(100.0, (1, 1), Sight.VEHICLES, [(50.0, 50.0, 1.5)]),
            87.863 + 18.554,
        ),
        # On the ground both rays are as long and the reflection is -1: nothing is left, which is
        # taken for 120 dB.
        ({"path_loss_model": "geometric"}, Link(100.0, (0.0, 0.0)), 87.863 + 120.0),
    ],
)  # fmt: skip
def test_losses_computed_by_hand(attributes: dict[str, object], link: Link, loss_db: float) -> None:
    assert RadioChannel(description(**attributes)).loss_db(link) == pytest.approx(loss_db, abs=0.01)


def test_two_rays_interfere() -> None:
    channel = RadioChannel(description(path_loss_model="geometric"))
    # Both antennas 1.5 m high, 100 m apart: the reflected ray is sqrt(100^2 + 3^2) = 100.04499 m
    # long. sine 0.029987, cosine^2 0.999101, root sqrt(0.020899) = 0.144565: reflection
    # (0.029987 - 0.144565) / 0.174552 = -0.656415. Phase -2 pi 0.04499 / 0.050812 = -5.5633 rad:
    # |1 - 0.656415 (0.7519 + 0.6593 i)| = |0.5064 - 0.4328 i| = 0.6661, or 3.529 dB more.
    loss_db = channel.loss_db(Link(100.0, (1.5, 1.5)))
    assert loss_db == pytest.approx(87.863 + 3.529, abs=0.03)


def test_a_message_below_the_sensitivity_is_not_heard() -> None:
    generator = np.random.default_rng(0)
    link = Link(100.0, (1.5, 1.5))
    for sensitivity, heard in ((-55.0, True), (-54.0, False)):
        channel = RadioChannel(description(**STILL, receiver_sensitivity=sensitivity))
        power = channel.received_dbm(21.5, link, generator)
        assert power == (pytest.approx(URBAN_100_M_DBM, abs=1e-6) if heard else None)


@pytest.mark.parametrize(
    ("attributes", "deviation_db"),
    [
        ({"scenario": "urban"}, 5.2),
        ({"scenario": "highway"}, 3.3),
        ({"use_etsi_fading": "false", "custom_fading_stddev": 2.0}, 2.0),
    ],
)
def test_fading_has_the_deviation_of_the_norm(
    attributes: dict[str, object], deviation_db: float
) -> None:
    channel = RadioChannel(description(**attributes))
    generator = np.random.default_rng(0)
    link = Link(10.0, (1.5, 1.5))
    powers = [channel.received_dbm(21.5, link, generator) or 0.0 for _ in range(4000)]
    assert np.std(powers) == pytest.approx(deviation_db, rel=0.05)


@pytest.mark.parametrize(
    "attributes",
    [
        {"frequency_ghz": 0.0},
        {"d_ref": 0.0},
        {"filter_distance": -1.0},
        {"scenario": "sea"},
        {"path_loss_model": "none"},
        {"transmit_power": "much"},
        {"custom_fading_stddev": -1.0},
        {"use_etsi_fading": "perhaps"},
    ],
)
def test_impossible_radios_are_refused(attributes: dict[str, object]) -> None:
    with pytest.raises(WireError, match=next(iter(attributes))):
        RadioChannel(description(**attributes))


def test_the_pauses_of_messages_have_an_order() -> None:
    with pytest.raises(WireError, match="gen_cam_min 2 is above gen_cam_max 1"):
        CamRhythm.of(description(gen_cam_min=2.0))


def sent_at(ticks: int, motion: Any, **attributes: object) -> list[float]:
    """The times at which a station sends that moves as `motion` tells of a time."""
    rhythm = CamRhythm.of(description(**attributes))
    times = (round(0.05 * number, 2) for number in range(ticks))
    return [now for now in times if rhythm.is_due(now, motion(now))]


def standing(_now: float) -> Motion:
    return Motion((10.0, 0.0, 0.0), 90.0, 0.0)


def test_who_stands_sends_once_a_second() -> None:
    assert sent_at(61, standing) == [0.0, 1.0, 2.0, 3.0]
    assert sent_at(61, standing, gen_cam_max=1.5) == [0.0, 1.5, 3.0]


def test_a_fixed_rate_has_the_shortest_pause() -> None:
    assert sent_at(9, standing, fixed_rate="true") == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_a_station_beside_the_road_sends_twice_a_second() -> None:
    assert sent_at(21, lambda _now: None) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("motion", "times"),
    [
        # 20 m/s: more than 4 m after 0.25 s.
        (lambda now: Motion((20.0 * now, 0.0, 0.0), 90.0, 20.0), [0.0, 0.25, 0.5]),
        # 10 degrees a second: more than 4 after 0.45 s; over north, too.
        (lambda now: Motion((0.0, 0.0, 0.0), (358.0 + 10.0 * now) % 360.0, 0.0), [0.0, 0.45]),
        # 4 m/s2: more than 0.5 m/s after 0.15 s.
        (lambda now: Motion((0.0, 0.0, 0.0), 90.0, 4.0 * now), [0.0, 0.15, 0.3, 0.45]),
        # Never more often than every 0.1 s.
        (lambda now: Motion((500.0 * now, 0.0, 0.0), 90.0, 0.0), [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    ],
)
def test_who_moves_sends_when_there_is_news(motion: Any, times: list[float]) -> None:
    assert sent_at(11, motion) == times


def test_after_news_three_messages_keep_the_short_pause() -> None:
    def jump(now: float) -> Motion:
        return Motion((10.0 if now >= 0.2 else 0.0, 0.0, 0.0), 90.0, 0.0)

    # The jump at 0.2 s: three more in the pause of 0.2 s that led to it, then one second.
    assert sent_at(41, jump) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.8]


def test_a_rhythm_goes_on_where_it_was_saved() -> None:
    rhythm = CamRhythm.of(description())
    assert rhythm.is_due(0.0, standing(0.0))
    other = CamRhythm.of(description())
    other.restore(rhythm.to_plain())
    assert other == rhythm
    assert not other.is_due(0.9, standing(0.9))
    with pytest.raises(ValueError, match="motion"):
        other.restore([0.0, 0.0, 1.0, 0.0, [1.0]])


def test_saved_radios_go_on(town: Town) -> None:
    server = SimulatorServer(ServeOptions(port=0), lambda _spec, _seed: town)
    found = server.simulator
    car = found.spawn(Description(0, CAR), Transform(Vector3D(50.0, 1.75, 0.0)))
    cam = found.spawn(description(), Transform(), car.actor_id)
    custom = Description(0, "sensor.other.v2x_custom")
    mouth = found.spawn(custom, Transform(), car.actor_id)
    found.tick()
    found.send_text(mouth.actor_id, "kept")
    before = {key: save_sensor(one) for key, one in found._sensors.items()}
    assert before[cam.actor_id]["rhythm"][0] == found.world.elapsed_s
    assert before[mouth.actor_id]["text"] == b"kept"
    saved = found.save_state()
    found.load(town, EpisodeSettings())
    found.restore_state(saved)
    assert {key: save_sensor(one) for key, one in found._sensors.items()} == before
    server.close()


@pytest.fixture(scope="module")
def town(tiny_towns: Path) -> Town:
    return load_town(str(tiny_towns / "tiny.xodr"), 0)


def test_everything_between_two_places_is_met(town: Town) -> None:
    world = World(town, BlueprintLibrary(), 0, 1)
    ids = [
        world.spawn(Description(0, CAR), Transform(Vector3D(x, 1.75, 0.0))).actor_id
        for x in (60.0, 70.0, 90.0)
    ]
    starts = np.array([(50.0, 1.75, 0.8), (50.0, 1.75, 3.0), (50.0, 1.75, 0.8)])
    ends = np.array([(80.0, 1.75, 0.8), (80.0, 1.75, 3.0), (80.0, 1.75, -2.0)])
    met = RayScene(town).met_between(world, starts, ends)
    assert met[0] == set(ids[:2])
    assert met[1] == set()
    # Into the ground.
    assert 0 in met[2]


# Through the official client


def test_two_cars_hear_each_other(session: ClientSession) -> None:
    first, second = session.spawn(CAR, pose(100.0, 1.75)), session.spawn(CAR, pose(200.0, 1.75))
    session.spawn("sensor.other.v2x", MOUNT, first, **STILL)
    ear = session.spawn("sensor.other.v2x", MOUNT, second, **STILL)
    heard = session.listen(ear)
    first.set_light_state(carla.VehicleLightState(carla.VehicleLightState.LowBeam))
    session.ticks(40)
    first.enable_constant_velocity(carla.Vector3D(10.0, 0.0, 0.0))
    session.ticks(10)
    time.sleep(0.2)
    events = [heard.get() for _ in range(heard.qsize())]
    assert {len(event) for event in events} == {1}
    assert isinstance(events[0], carla.CAMEvent)
    # 2 s at rest and 0.5 s in motion.
    frames = np.diff([event.frame for event in events])
    assert (frames[0] * DELTA_S, min(frames) * DELTA_S) == (
        pytest.approx(1.0, abs=0.5),
        pytest.approx(0.1, abs=0.36),
    )
    last = next(iter(events[-1]))
    assert last.power == pytest.approx(URBAN_100_M_DBM, abs=0.5)
    told = last.get()["Message"]
    assert told["Header"] == {"Protocol Version": 2, "Message ID": "CAM", "Station ID": first.id}
    parameters = told["Message"]["CAM Parameters"]
    basic = parameters["Basic Container"]
    assert basic["Station Type"] == "Passenger Car"
    place = session.world.get_map().transform_to_geolocation(first.get_location())
    # A car drives less than 5 m after its last message: 7e-5 degrees of longitude.
    assert basic["Reference Position"]["Latitude"] * 1e-7 == pytest.approx(place.latitude, abs=1e-6)
    assert basic["Reference Position"]["Longitude"] * 1e-7 == pytest.approx(
        place.longitude, abs=7e-5
    )
    fast = parameters["High Frequency Container"]["Basic Vehicle Container High Frequency"]
    # East; 10 m/s; 4.89 m by 1.84 m; gravity alone.
    assert fast["Heading"]["Value"] == 900
    assert fast["Speed"]["Value"] == pytest.approx(1000, abs=5)
    assert (fast["Drive Direction"], fast["Vehicle Length"]["Value"]) == (0, 49)
    assert fast["Vehicle Width"] == 18
    assert fast["Vertical Acceleration"]["Value"] == pytest.approx(98, abs=5)
    assert fast["Lane Position"] is None
    messages = [next(iter(event)).get()["Message"]["Message"] for event in events]
    slow = [one["CAM Parameters"]["Low Frequency Container"] for one in messages]
    first_slow = slow[0]["Basic Vehicle Low Frequency"]
    assert first_slow["Path History"] is None
    assert slow[1]["Basic Vehicle Low Frequency"]["Exterior Light"] == 0b1000_0000


def test_a_lorry_in_between_weakens(session: ClientSession) -> None:
    first, second = session.spawn(CAR, pose(100.0, 1.75)), session.spawn(CAR, pose(200.0, 1.75))
    attributes = {**STILL, "fixed_rate": "true"}
    session.spawn("sensor.other.v2x", MOUNT, first, **attributes)
    heard = session.listen(session.spawn("sensor.other.v2x", MOUNT, second, **attributes))
    session.ticks(30)
    time.sleep(0.2)
    clear = [heard.get() for _ in range(heard.qsize())][-1][0].power
    lorry = session.spawn(LORRY, pose(150.0, 1.75))
    session.ticks(30)
    time.sleep(0.2)
    blocked = [heard.get() for _ in range(heard.qsize())][-1][0].power
    assert clear == pytest.approx(URBAN_100_M_DBM, abs=0.01)
    box = lorry.bounding_box
    roof_m = box.location.z + box.extent.z + 0.02
    parameter = roof_m * math.sqrt(2.0 * 100.0 / (299792458.0 / 5.9e9 * 2500.0))
    edge_db = 6.9 + 20.0 * math.log10(math.hypot(parameter - 0.1, 1.0) + parameter - 0.1)
    assert clear - blocked == pytest.approx(edge_db, abs=0.05)


def test_texts_reach_the_others_and_not_oneself(session: ClientSession) -> None:
    first, second = session.spawn(CAR, pose(100.0, 1.75)), session.spawn(CAR, pose(200.0, 1.75))
    mouth = session.spawn("sensor.other.v2x_custom", MOUNT, first, **STILL)
    ears = session.spawn("sensor.other.v2x_custom", MOUNT, second, **STILL)
    deaf = session.spawn("sensor.other.v2x_custom", MOUNT, second, **STILL, filter_distance=99)
    own, heard, missed = (session.listen(one) for one in (mouth, ears, deaf))
    session.ticks(20)
    mouth.send("lost")
    mouth.send("Grüße")
    event = session.read(heard, session.ticks(1))
    assert isinstance(event, carla.CustomV2XEvent)
    (message,) = list(event)
    assert message.power == pytest.approx(URBAN_100_M_DBM, abs=0.01)
    told = message.get()["Message"]
    assert told["Header"] == {"Protocol Version": 2, "Message ID": "CUSTOM", "Station ID": first.id}
    assert told["Message"] == "Grüße"
    session.ticks(2)
    time.sleep(0.2)
    assert own.empty()
    assert heard.empty()
    assert missed.empty()


@pytest.mark.parametrize("text", ["x" * 100, "a\0b"])
def test_the_next_call_tells_of_a_text_that_does_not_fit(session: ClientSession, text: str) -> None:
    car = session.spawn(CAR, pose(100.0, 1.75))
    mouth = session.spawn("sensor.other.v2x_custom", MOUNT, car)
    session.ticks(1)
    mouth.send(text)
    with pytest.raises(RuntimeError, match="more than 99 bytes, or with zeros"):
        session.world.tick()


def test_a_unit_beside_the_road_and_a_walker_say_who_they_are(session: ClientSession) -> None:
    car = session.spawn(CAR, pose(100.0, 1.75))
    walker = session.spawn("walker.pedestrian.0001", pose(110.0, 8.0, 1.0))
    unit = session.spawn("sensor.other.v2x", pose(120.0, 6.0, 5.0))
    session.spawn("sensor.other.v2x", MOUNT, walker)
    heard = session.listen(session.spawn("sensor.other.v2x", MOUNT, car, **STILL))
    session.ticks(30)
    time.sleep(0.2)
    messages = [message.get()["Message"] for _ in range(heard.qsize()) for message in heard.get()]
    by_station = {message["Header"]["Station ID"]: message["Message"] for message in messages}
    assert set(by_station) == {walker.id, unit.id}
    parameters = by_station[unit.id]["CAM Parameters"]
    assert parameters["Basic Container"]["Station Type"] == "Road Side Unit"
    zones = parameters["High Frequency Container"]["RSU Container High Frequency"]
    assert zones == {"Protected Communication Zone": []}
    parameters = by_station[walker.id]["CAM Parameters"]
    assert parameters["Basic Container"]["Station Type"] == "Pedestrian"
    assert parameters["High Frequency Container"] == {
        "High Frequency Container Present": "No container present"
    }
