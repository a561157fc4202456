"""Walls with windows, and plain walls of the same mean colour for those far away."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT

VERTEX = (
    MOMENT
    + """
in vec3 in_position;
in vec2 in_cell;
in vec4 in_normal;
in vec4 in_colour;
flat out vec4 v_wall;
flat out vec4 v_pane;
out vec3 v_cell;
#ifdef SHADOWS
flat out vec3 v_sunshine;
out vec3 v_place;
#endif
void main() {
#ifdef SHADOWS
    v_sunshine = in_colour.rgb * in_colour.rgb * sunshine(unpack(in_normal.xyz));
    // Off the wall, which is in the map itself.
    v_place = in_position + 0.4 * unpack(in_normal.xyz);
#endif
    vec3 relative = in_position - camera_time.xyz;
    v_wall = vec4(in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz)), in_normal.w);
    // Half the size of a pane in its cell, and a number that shuffles the windows.
    vec2 style = fract(in_colour.a * vec2(7.3, 3.7));
    v_pane = vec4(vec2(0.20, 0.24) + vec2(0.20, 0.12) * style, in_colour.a * 17.0, 0.0);
    v_cell = vec3(in_cell, haze(length(relative)));
    gl_Position = project(relative, 0.0);
}
"""
)

PLAIN_VERTEX = (
    MOMENT
    + """
in vec3 in_position;
in vec2 in_cell;
in vec4 in_normal;
in vec4 in_colour;
out vec3 v_colour;
void main() {
    vec3 relative = in_position - camera_time.xyz;
    vec3 wall = in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz));
    vec3 glass = mix(vec3(0.020, 0.026, 0.034), horizon_fog.rgb, 0.21);
    glass += 0.38 * sun_darkness.w * vec3(0.50, 0.34, 0.15);
    // Windows take a third of a wall, as in the pattern that is drawn nearby.
    vec3 colour = mix(wall, glass, 0.36 * in_normal.w);
    v_colour = sqrt(min(mix(colour, horizon_fog.rgb, haze(length(relative))), 1.0));
    gl_Position = project(relative, 0.0);
}
"""
)

FRAGMENT = (
    MOMENT
    + """
flat in vec4 v_wall;
flat in vec4 v_pane;
in vec3 v_cell;
#ifdef SHADOWS
flat in vec3 v_sunshine;
in vec3 v_place;
#endif
out vec4 pixel;
void main() {
    vec2 cell = floor(v_cell.xy);
    vec2 within = v_cell.xy - cell - 0.5;
    vec2 blur = max(fwidth(v_cell.xy), 0.02);
    // Shop windows on the street floor are wider.
    float street = step(v_cell.y, 1.0);
    vec2 half_pane = mix(v_pane.xy, vec2(0.42, 0.36), street);
    vec2 inset = (half_pane - abs(within)) / blur;
    vec2 edge = clamp(inset + 0.5, 0.0, 1.0);
    vec2 far = clamp(blur * 2.0 - 0.5, 0.0, 1.0);
    vec2 cover = mix(edge, 2.0 * half_pane, far);
    float pane = cover.x * cover.y * v_wall.a;
    vec2 rim = clamp(inset + 0.035 / blur + 0.5, 0.0, 1.0);
    float frame = rim.x * rim.y * v_wall.a;
    float pick = fract(dot(cell, vec2(0.7549, 0.5698)) + v_pane.z);
    pick = fract(pick * pick * 91.7);
    vec3 glass = mix(vec3(0.020, 0.026, 0.034), horizon_fog.rgb, 0.10 + 0.22 * pick);
    float lit = step(0.62, pick) * sun_darkness.w;
    glass += lit * vec3(0.55, 0.38, 0.16) * (0.4 + pick);
    float plinth = 1.0 - 0.18 * street * v_wall.a;
    vec3 bare = v_wall.rgb;
#ifdef SHADOWS
    bare -= v_sunshine * (1.0 - sunlit(v_place));
#endif
    vec3 wall = bare * plinth + frame * (0.22 * sky_puddles.rgb - 0.4 * bare);
    pixel = image(mix(mix(wall, glass, pane), horizon_fog.rgb, v_cell.z));
}
"""
)
