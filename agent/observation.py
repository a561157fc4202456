"""From the leaderboard's `input_data` to one checked observation, and the record of a step.

Sensors fail: an image may be missing, of another size or frozen, a reading may be NaN, impossible
or old (`agent/reading_guard.py`). Images are replaced by the last good one for a short while
(counted in `warnings`), readings become NaN, which the state filter bridges; when it lasts too long
the observation says that it is not fit to drive by.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.reading_guard import (
    COMPASS_LIMITS,
    GNSS_LIMITS,
    MOVING_MPS,
    SPEED_LIMITS,
    STANDING_MPS,
    TICK_S,
    FreezeWatch,
    Limits,
    MotionWitness,
    PlausibleReading,
    StepClock,
    changed_mps,
    gnss_distance_m,
    turned_rad,
)
from model.config import CameraConfig
from model.strict_json import Within, check_fields
from planner.controller import ControlTerms
from planner.frames import yaw_from_compass_rad
from planner.records import Control, EgoState, Plan, Target

U8 = NDArray[np.uint8]

GNSS_ID, IMU_ID, SPEED_ID = "gnss", "imu", "speed"
TIME, COMPASS = "time stamp", "compass"
UNUSABLE = "missing or unusable"
# An hour has 72,000 ticks: whoever waits longer has mistyped.
Ticks = Annotated[int, Within(0, 72_000)]
NO_IMAGES: U8 = np.empty((0, 0, 0, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Observation:
    """What the sensors said in one tick.

    Attributes:
        frame: the simulator's frame number.
        timestamp_s: simulated time, as it was given.
        images: (N, H, W, 3) RGB in the order of the checkpoint's cameras.
        gps_deg: latitude and longitude; NaN where there is no fix.
        yaw_rad: world yaw from the compass; NaN where there is none.
        speed_mps: from the speedometer; NaN where there is none.
        fault: why the observation is not fit to drive by, or "".
        dt_s: time since the last observation; a tick's where the time stamps are of no use.
    """

    frame: int
    timestamp_s: float
    images: U8
    gps_deg: tuple[float, float]
    yaw_rad: float
    speed_mps: float
    fault: str = ""
    dt_s: float = TICK_S


@dataclass(frozen=True)
class AgentStep:
    """One finished tick of an agent, for those who watch: video, timing, debugging.

    Attributes:
        images: (N, H, W, 3) RGB as the network saw them; N = 0 without cameras.
        ego: the estimated (or, for the expert, true) state.
        targets: next target point and the one after it.
        plan: route and waypoints in the ego frame; None when there was none.
        stage_ms: what each stage of the tick took.
        notes: short facts for an image's text panel.
        terms: how the control came about; None where the agent does not tell.
        warnings: how often each fault has been met on this route so far.
    """

    frame: int
    timestamp_s: float
    images: U8
    ego: EgoState
    targets: tuple[Target, ...]
    plan: Plan | None
    control: Control
    stage_ms: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    terms: ControlTerms | None = None
    warnings: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ObserverSettings:
    """How images are treated and how long a fault is bridged.

    Attributes:
        jpeg_quality: images are encoded and decoded once, because the training images were
            JPEG files; 0 leaves them as they are.
        max_stale_ticks: ticks for which an old image may stand in for a missing one.
        max_blind_ticks: ticks for which position, heading, speed or time may be missing.
        max_frozen_ticks: ticks for which a moving car's sensor may repeat itself; 0 switches the
            check off.
    """

    jpeg_quality: Annotated[int, Within(0, 100)] = 90
    max_stale_ticks: Ticks = 10
    max_blind_ticks: Ticks = 40
    max_frozen_ticks: Ticks = 20

    def __post_init__(self) -> None:
        check_fields(self)


class Observer:
    """Turns `input_data` into observations; remembers the last good images.

    Attributes:
        warnings: how often each fault was met.
    """

    def __init__(
        self,
        cameras: Sequence[CameraConfig],
        settings: ObserverSettings | None = None,
        gnss_limits: Limits = GNSS_LIMITS,
    ) -> None:
        self.warnings: Counter[str] = Counter()
        self._cameras = tuple(cameras)
        self._settings = settings or ObserverSettings()
        self._images: dict[str, U8] = {}
        self._missed: Counter[str] = Counter()
        self._frames: dict[str, int] = {}
        self._plausible = {
            GNSS_ID: PlausibleReading(gnss_limits, gnss_distance_m),
            COMPASS: PlausibleReading(COMPASS_LIMITS, turned_rad),
            SPEED_ID: PlausibleReading(SPEED_LIMITS, changed_mps),
        }
        self._frozen: defaultdict[str, FreezeWatch] = defaultdict(FreezeWatch)
        self._witness = MotionWitness()
        self._clock = StepClock()
        self._moving = False

    def observe(
        self, input_data: Mapping[str, Any], timestamp_s: float, throttle: float = 0.0
    ) -> Observation:
        """Read all sensors of one tick; never raises for what they contain.

        `throttle` is what has been applied since the last tick: a speedometer that says zero while
        the car is pushed on, and fixes move, is stuck.
        """
        faults: list[str] = []
        dt_s, wrong = self._clock.step(timestamp_s)
        self._count(TIME, wrong, self._settings.max_blind_ticks, faults)
        fresh = {name: self._fresh(name, entry) for name, entry in input_data.items()}
        images = [self._image(camera, fresh, faults) for camera in self._cameras]
        gnss = self._numbers(GNSS_ID, fresh, 2)
        imu = self._numbers(IMU_ID, fresh, 7)
        speed = [self._speed(fresh)]
        pushed = self._witness.saw_motion(gnss) and throttle > 0.0
        speeding = pushed or abs(speed[0]) > STANDING_MPS
        gnss = self._held(GNSS_ID, gnss, gnss, self._moving, dt_s, faults)
        compass = self._held(COMPASS, imu[-1:], imu, self._moving, dt_s, faults)[0]
        speed = self._held(SPEED_ID, speed, speed, speeding, dt_s, faults)
        if math.isfinite(speed[0]):
            self._moving = abs(speed[0]) > MOVING_MPS
        return Observation(
            frame=max((_frame_of(entry) for entry in input_data.values()), default=0),
            timestamp_s=timestamp_s,
            images=np.stack(images) if images else NO_IMAGES,
            gps_deg=(gnss[0], gnss[1]),
            yaw_rad=yaw_from_compass_rad(compass),
            speed_mps=speed[0],
            fault="; ".join(faults),
            dt_s=dt_s,
        )

    def _fresh(self, name: str, entry: Any) -> Any:
        """The entry of a sensor, or None where it is that of a tick before; 0 is no number."""
        frame = _frame_of(entry)
        if frame and frame <= self._frames.get(name, 0):
            self.warnings[f"{name} not of this tick"] += 1
            return None
        self._frames[name] = frame
        return entry

    def _held(
        self,
        name: str,
        values: list[float],
        raw: list[float],
        moving: bool,
        dt_s: float,
        faults: list[str],
    ) -> list[float]:
        """The values, or NaN for each where they cannot be believed. raw: what must not freeze."""
        wrong = self._plausible[name].objection(values, dt_s)
        if not wrong and self._is_frozen(name, raw, moving):
            wrong = "frozen"
        self._count(name, wrong, self._settings.max_blind_ticks, faults)
        return [math.nan] * len(values) if wrong else values

    def _is_frozen(self, name: str, value: Any, moving: bool) -> bool:
        limit = self._settings.max_frozen_ticks
        return self._frozen[name].ticks(value, moving) > limit > 0

    def _image(self, camera: CameraConfig, input_data: Mapping[str, Any], faults: list[str]) -> U8:
        image = _image(input_data.get(camera.name), camera)
        wrong = UNUSABLE if image is None else ""
        if image is not None and self._is_frozen(camera.name, image, self._moving):
            wrong = "frozen"
        self._count(camera.name, wrong, self._settings.max_stale_ticks, faults)
        if image is not None:
            self._images[camera.name] = self._as_jpeg(image)
        elif camera.name not in self._images:
            faults.append(f"{camera.name}: no image yet")
            return np.zeros((camera.height_px, camera.width_px, 3), dtype=np.uint8)
        return self._images[camera.name]

    def _count(self, name: str, wrong: str, limit: int, faults: list[str]) -> None:
        """Count what is wrong with a reading; what has been frozen was bridged long enough."""
        if not wrong:
            self._missed[name] = 0
            return
        self.warnings[f"{name} {wrong}"] += 1
        self._missed[name] += 1
        if wrong == "frozen" and name != TIME:
            faults.append(f"{name}: frozen")
        elif self._missed[name] > limit:
            faults.append(f"{name}: {wrong} for {self._missed[name]} ticks")

    def _as_jpeg(self, image: U8) -> U8:
        """RGB in, RGB out, once through JPEG."""
        if self._settings.jpeg_quality <= 0:
            return image
        quality = [cv2.IMWRITE_JPEG_QUALITY, self._settings.jpeg_quality]
        done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
        if not done:
            self.warnings["jpeg encoding failed"] += 1
            return image
        decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
        return np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    @staticmethod
    def _numbers(name: str, input_data: Mapping[str, Any], count: int) -> list[float]:
        """The first `count` numbers of a reading; all NaN when they are not there."""
        try:
            values = np.asarray(input_data[name][1], dtype=np.float64).ravel()
        except (KeyError, OverflowError, IndexError, TypeError, ValueError):
            return [math.nan] * count
        return [float(v) for v in values[:count]] if len(values) >= count else [math.nan] * count

    @staticmethod
    def _speed(input_data: Mapping[str, Any]) -> float:
        try:
            speed = float(input_data[SPEED_ID][1]["speed"])
        except (KeyError, OverflowError, IndexError, TypeError, ValueError):
            return math.nan
        return speed if math.isfinite(speed) else math.nan


def _frame_of(entry: Any) -> int:
    try:
        return int(entry[0])
    except (IndexError, OverflowError, TypeError, ValueError):
        return 0


def _image(entry: Any, camera: CameraConfig) -> U8 | None:
    """RGB copy of a BGRA (or BGR) image; None when it is not one of this camera's size."""
    try:
        data = np.asarray(entry[1])
    except (IndexError, TypeError, ValueError):
        return None
    size = (camera.height_px, camera.width_px)
    if data.dtype != np.uint8 or data.ndim != 3 or data.shape[:2] != size or data.shape[2] < 3:
        return None
    # Not by numpy, whose loop over turned channels takes thirty times as long.
    code = cv2.COLOR_BGR2RGB if data.shape[2] == 3 else cv2.COLOR_BGRA2RGB
    return np.asarray(cv2.cvtColor(data[:, :, :4], code), dtype=np.uint8)
