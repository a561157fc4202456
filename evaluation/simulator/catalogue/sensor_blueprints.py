"""Attributes of the sensors, with CARLA's names and defaults."""

from __future__ import annotations

from evaluation.simulator.wire.actor_records import Attribute
from evaluation.simulator.wire.dialect import AttributeType

_FLOAT, _INT, _STRING, _BOOL = (
    AttributeType.FLOAT,
    AttributeType.INT,
    AttributeType.STRING,
    AttributeType.BOOL,
)


def _numbers(kind: AttributeType, **values: str) -> tuple[Attribute, ...]:
    # CARLA recommends the default of every number, and programs ask for it.
    return tuple(Attribute(name, kind, value, (value,)) for name, value in values.items())


_EVENT_SENSORS = (Attribute("role_name", _STRING, "front", ("front", "back", "left", "right")),)
"""Sensors that speak up when something happens have no `sensor_tick` in CARLA."""
_ALL_SENSORS = (*_EVENT_SENSORS, Attribute("sensor_tick", _FLOAT, "0.0"))

_LENS = _numbers(
    _FLOAT,
    lens_circle_multiplier="0.0",
    lens_circle_falloff="5.0",
    lens_k="-1.0",
    lens_kcube="0.0",
    lens_x_size="0.08",
    lens_y_size="0.08",
    chromatic_aberration_intensity="0.0",
    chromatic_aberration_offset="0.0",
)

_EXPOSURE = (
    Attribute("enable_postprocess_effects", _BOOL, "True"),
    Attribute("exposure_mode", _STRING, "histogram", ("histogram", "manual")),
    Attribute("min_fstop", _FLOAT, "1.2"),
    Attribute("blade_count", _INT, "5"),
    *_numbers(
        _FLOAT,
        gamma="2.2",
        motion_blur_intensity="0.45",
        motion_blur_max_distortion="0.35",
        motion_blur_min_object_screen_size="0.1",
        bloom_intensity="0.675",
        lens_flare_intensity="0.1",
        fstop="1.4",
        iso="100.0",
        shutter_speed="200.0",
        exposure_compensation="-1.0",
        exposure_min_bright="10.0",
        exposure_max_bright="12.0",
        exposure_speed_up="3.0",
        exposure_speed_down="1.0",
        calibration_constant="16.0",
        focal_distance="1000.0",
        temp="6500.0",
        tint="0.0",
        slope="0.88",
        toe="0.55",
        shoulder="0.26",
        black_clip="0.0",
        white_clip="0.04",
        blur_amount="1.0",
        blur_radius="0.0",
    ),
)

_CAMERA = (
    *_numbers(_INT, image_size_x="800", image_size_y="600"),
    *_numbers(_FLOAT, fov="90.0"),
    *_LENS,
    *_EXPOSURE,
)

_GNSS = (
    *_numbers(_INT, noise_seed="0"),
    *_numbers(
        _FLOAT,
        noise_alt_bias="0.0",
        noise_alt_stddev="0.0",
        noise_lat_bias="0.0",
        noise_lat_stddev="0.0",
        noise_lon_bias="0.0",
        noise_lon_stddev="0.0",
    ),
)

_IMU = (
    *_numbers(_INT, noise_seed="0"),
    *_numbers(
        _FLOAT,
        noise_accel_stddev_x="0.0",
        noise_accel_stddev_y="0.0",
        noise_accel_stddev_z="0.0",
        noise_gyro_bias_x="0.0",
        noise_gyro_bias_y="0.0",
        noise_gyro_bias_z="0.0",
        noise_gyro_stddev_x="0.0",
        noise_gyro_stddev_y="0.0",
        noise_gyro_stddev_z="0.0",
    ),
)

_OBSTACLE = (
    *_numbers(_FLOAT, distance="5.0", hit_radius="0.5"),
    Attribute("only_dynamics", _BOOL, "False"),
    Attribute("debug_linetrace", _BOOL, "False"),
)

_LENSED = (
    *_numbers(_INT, image_size_x="800", image_size_y="600"),
    *_numbers(_FLOAT, fov="90.0"),
    *_LENS,
)

_SCANNER = (
    *_numbers(_INT, channels="32", points_per_second="56000"),
    *_numbers(
        _FLOAT,
        range="10.0",
        rotation_frequency="10.0",
        upper_fov="10.0",
        lower_fov="-30.0",
        horizontal_fov="360.0",
    ),
)

_LOSSES = (
    *_numbers(
        _FLOAT,
        atmosphere_attenuation_rate="0.004",
        dropoff_general_rate="0.45",
        dropoff_intensity_limit="0.8",
        dropoff_zero_intensity="0.4",
        noise_stddev="0.0",
    ),
    *_numbers(_INT, noise_seed="0"),
)

_RADAR = (
    *_numbers(_FLOAT, horizontal_fov="30.0", vertical_fov="30.0", range="100.0"),
    *_numbers(_INT, points_per_second="1500", noise_seed="0"),
)

_EVENT_CAMERA = (
    *_numbers(
        _FLOAT,
        positive_threshold="0.3",
        negative_threshold="0.3",
        sigma_positive_threshold="0.0",
        sigma_negative_threshold="0.0",
        log_eps="0.001",
    ),
    Attribute("refractory_period_ns", _INT, "0"),
    Attribute("use_log", _BOOL, "True"),
)

_V2X = (
    *_numbers(_INT, noise_seed="0"),
    *_numbers(
        _FLOAT,
        transmit_power="21.5",
        receiver_sensitivity="-99.0",
        frequency_ghz="5.9",
        combined_antenna_gain="10.0",
    ),
    Attribute("scenario", _STRING, "highway", ("highway", "rural", "urban"), restricted=True),
    Attribute("path_loss_model", _STRING, "winner", ("winner", "geometric"), restricted=True),
    *_numbers(_FLOAT, path_loss_exponent="2.7", d_ref="1.0", filter_distance="500.0"),
    Attribute("use_etsi_fading", _BOOL, "true", ("true",)),
    *_numbers(_FLOAT, custom_fading_stddev="0.0"),
)
"""The defaults are the first recommended values, as in CARLA's blueprints; its documentation says
urban and geometric."""

_CAM = (
    *_numbers(_FLOAT, gen_cam_min="0.1", gen_cam_max="1.0"),
    Attribute("fixed_rate", _BOOL, "false", ("false",)),
    *_numbers(
        _FLOAT,
        noise_lat_stddev="0.0",
        noise_lat_bias="0.0",
        noise_lon_stddev="0.0",
        noise_lon_bias="0.0",
        noise_alt_stddev="0.0",
        noise_alt_bias="0.0",
        noise_head_stddev="0.0",
        noise_head_bias="0.0",
        noise_accel_stddev_x="0.0",
        noise_accel_stddev_y="0.0",
        noise_accel_stddev_z="0.0",
        noise_yawrate_stddev="0.0",
        noise_yawrate_bias="0.0",
        noise_vel_stddev_x="0.0",
    ),
)

SENSOR_ATTRIBUTES: dict[str, tuple[Attribute, ...]] = {
    "sensor.camera.rgb": (*_ALL_SENSORS, *_CAMERA),
    "sensor.camera.depth": (*_ALL_SENSORS, *_LENSED),
    "sensor.camera.semantic_segmentation": (*_ALL_SENSORS, *_LENSED),
    "sensor.camera.instance_segmentation": (*_ALL_SENSORS, *_LENSED),
    "sensor.camera.normals": (*_ALL_SENSORS, *_LENSED),
    "sensor.camera.optical_flow": (*_ALL_SENSORS, *_LENSED),
    # Listed, since CARLA's manual_control looks it up; not simulated.
    "sensor.camera.cosmos_visualization": (*_ALL_SENSORS, *_LENSED),
    "sensor.camera.dvs": (*_ALL_SENSORS, *_CAMERA, *_EVENT_CAMERA),
    "sensor.lidar.ray_cast": (*_ALL_SENSORS, *_SCANNER, *_LOSSES),
    "sensor.lidar.ray_cast_semantic": (*_ALL_SENSORS, *_SCANNER),
    "sensor.other.radar": (*_ALL_SENSORS, *_RADAR),
    "sensor.other.gnss": (*_ALL_SENSORS, *_GNSS),
    "sensor.other.imu": (*_ALL_SENSORS, *_IMU),
    "sensor.other.collision": _EVENT_SENSORS,
    "sensor.other.obstacle": (*_ALL_SENSORS, *_OBSTACLE),
    "sensor.other.lane_invasion": _EVENT_SENSORS,
    "sensor.other.v2x": (*_ALL_SENSORS, *_V2X, *_CAM),
    "sensor.other.v2x_custom": (*_ALL_SENSORS, *_V2X),
}
