"""Calls for what this simulator does not have, so that nobody waits for an effect."""

from __future__ import annotations

from evaluation.simulator.calls.call import accepted, refused
from evaluation.simulator.net.rpc import Reply

_PAINT = "textures are"

CALLS = {
    "apply_color_texture_to_objects": refused(Reply.VOID, _PAINT),
    "apply_float_color_texture_to_objects": refused(Reply.VOID, _PAINT),
    "enable_carsim": refused(Reply.VOID, "CarSim physics are"),
    "use_carsim_road": refused(Reply.VOID, "CarSim physics are"),
    "enable_chrono_physics": refused(Reply.VOID, "Chrono physics are"),
    "enable_sensor_for_ros": refused(Reply.VOID, "ROS is"),
    "disable_sensor_for_ros": accepted(Reply.VOID),
    "is_sensor_enabled_for_ros": refused(Reply.VALUE, "ROS is"),
    # Visual only, in CARLA too: no force of the road follows from it.
    "set_wheel_steer_direction": accepted(Reply.VOID),
    "set_ignored_vehicles": refused(Reply.VOID, "sensors that leave some vehicles out are"),
    "restore_physx_physics": accepted(Reply.VOID),
    "set_annotations_traverse_translucency": accepted(Reply.VOID),
}
