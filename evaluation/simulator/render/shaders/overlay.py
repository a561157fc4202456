"""What lies over the rest: soft spots on the ground (decals), lines that clients draw (strokes)."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT

DECAL_VERTEX = (
    MOMENT
    + """
in vec2 in_corner;
in vec3 in_centre;
in vec3 in_along;
in vec3 in_across;
in vec4 in_tint;
out vec2 v_corner;
out vec4 v_tint;
void main() {
    vec3 relative = in_centre + in_along * in_corner.x + in_across * in_corner.y - camera_time.xyz;
    v_corner = in_corner;
    v_tint = in_tint * (1.0 - haze(length(relative)));
    gl_Position = project(relative, 6.0);
}
"""
)

DECAL_FRAGMENT = """
#version 430
in vec2 v_corner;
in vec4 v_tint;
out vec4 pixel;
void main() {
    vec2 square = v_corner * v_corner;
    square *= square;
    float soft = clamp(1.6 * (1.0 - square.x - square.y), 0.0, 1.0);
    pixel = (v_tint * soft).bgra;
}
"""

STROKE_VERTEX = (
    MOMENT
    + """
in vec3 in_corner;
in vec3 in_start;
in vec3 in_end;
in float in_half;
in vec3 in_colour;
out vec3 v_colour;
void main() {
    vec3 way = in_end - in_start;
    float length_m = length(way);
    vec3 along = length_m > 1e-4 ? way / length_m : vec3(1.0, 0.0, 0.0);
    vec3 other = abs(along.x) < 0.9 ? vec3(1.0, 0.0, 0.0) : vec3(0.0, 1.0, 0.0);
    vec3 aside = normalize(cross(along, other));
    vec3 upward = cross(along, aside);
    // A point is a cube: half a thickness before its place, half behind it.
    vec3 place = length_m > 1e-4
        ? in_start + way * in_corner.x
        : in_start + along * (in_half * (2.0 * in_corner.x - 1.0));
    place += in_half * (aside * in_corner.y + upward * in_corner.z);
    v_colour = in_colour;
    gl_Position = project(place - camera_time.xyz, 0.0);
}
"""
)
