"""Calls about what stands around: boxes, rays, street lamps, debug shapes."""

from __future__ import annotations

from evaluation.simulator.methods.call import Call, accept, empty_list
from evaluation.simulator.rpc import Reply

CALLS = {
    "get_all_level_BBs": Call(empty_list, Reply.VALUE),
    "get_environment_objects": Call(empty_list, Reply.VALUE),
    "query_lights_state": Call(empty_list, Reply.VALUE),
    "update_lights_state": Call(accept, Reply.VOID),
    "draw_debug_shape": Call(accept, Reply.VOID),
    "clear_debug_shape": Call(accept, Reply.VOID),
    "clear_debug_string": Call(accept, Reply.VOID),
}
