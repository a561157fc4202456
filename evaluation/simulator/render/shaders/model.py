"""Vehicles, walkers and street furniture: one mesh drawn many times, with paint and lamps."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT

VERTEX = (
    MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_glow;
in vec4 in_row_x;
in vec4 in_row_y;
in vec4 in_row_z;
in vec4 in_paint;
in uint in_flags;
out vec3 v_colour;
void main() {
    mat3 world_from_model = transpose(mat3(in_row_x.xyz, in_row_y.xyz, in_row_z.xyz));
    vec3 relative = world_from_model * in_position
        + (vec3(in_row_x.w, in_row_y.w, in_row_z.w) - camera_time.xyz);
    vec3 stretch = in_row_x.xyz * in_row_x.xyz + in_row_y.xyz * in_row_y.xyz
        + in_row_z.xyz * in_row_z.xyz;
    vec3 normal = normalize(world_from_model * (unpack(in_normal.xyz) / stretch));
    vec3 albedo = mix(in_colour.rgb, in_paint.rgb * in_colour.rgb, in_colour.a);
    vec3 colour = albedo * albedo * light(normal);
    // Glass and paint mirror a little of the sky.
    colour += in_normal.w * horizon_fog.rgb * (0.35 + 0.65 * max(normal.z, 0.0));
    float lit = float((in_flags >> uint(in_glow.a * 255.0 + 0.5)) & 1u);
    float distance_m = length(relative);
    vec3 glow = in_glow.rgb * in_glow.rgb * 1.8;
    float veil = haze(distance_m);
    colour = mix(mix(colour, glow, lit), horizon_fog.rgb, veil * (1.0 - 0.5 * lit));
    v_colour = sqrt(min(colour, 1.0));
    gl_Position = project(relative, 0.0);
}
"""
)
