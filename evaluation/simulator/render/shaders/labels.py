"""The same things without light: how far away and what they are, which one, and how they face."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT

_OUTPUTS = """
out float v_depth;
out vec3 v_relative;
flat out vec2 v_label;

void place(vec3 relative, float layers, float tag, uint object) {
    v_depth = dot(relative, forward_far.xyz);
    v_relative = relative;
    v_label = vec2(tag * 255.0, float(object & 0xFFFFu));
    gl_Position = project(relative, layers);
}
"""

SURFACE_VERTEX = (
    MOMENT
    + _OUTPUTS
    + """
in vec3 in_position;
in vec4 in_colour;
in vec4 in_traits;
void main() {
    place(in_position - camera_time.xyz, in_traits.w * 16.0, in_colour.a, 0u);
}
"""
)

FACADE_VERTEX = (
    MOMENT
    + _OUTPUTS
    + """
in vec3 in_position;
in uint in_object;
void main() {
    place(in_position - camera_time.xyz, 0.0, 3.0 / 255.0, in_object);
}
"""
)

MODEL_VERTEX = (
    MOMENT
    + _OUTPUTS
    + """
in vec3 in_position;
in vec4 in_row_x;
in vec4 in_row_y;
in vec4 in_row_z;
in vec4 in_paint;
in uint in_object;
void main() {
    mat3 world_from_model = transpose(mat3(in_row_x.xyz, in_row_y.xyz, in_row_z.xyz));
    vec3 relative = world_from_model * in_position
        + (vec3(in_row_x.w, in_row_y.w, in_row_z.w) - camera_time.xyz);
    place(relative, 0.0, in_paint.a, in_object);
}
"""
)

FRAGMENT = """
#version 430
in float v_depth;
in vec3 v_relative;
flat in vec2 v_label;
out vec4 pixel;
void main() {
    vec3 across = cross(dFdx(v_relative), dFdy(v_relative));
    // Surfaces are seen from both sides; what is seen faces the camera.
    vec3 normal = -sign(dot(across, v_relative)) * across / max(length(across), 1e-30);
    vec3 bytes = floor(normal * 127.5 + 128.0);
    pixel = vec4(v_depth, v_label, dot(min(bytes, 255.0), vec3(65536.0, 256.0, 1.0)));
}
"""
