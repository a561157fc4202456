"""Ground, roads and walls: drawn with grain nearby, plain where that would be too small to see."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT, NOISE

VERTEX = (
    MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_traits;
out vec3 v_colour;
out vec3 v_relative;
flat out vec3 v_traits;
#ifdef SHADOWS
out vec3 v_sunshine;
out vec3 v_place;
#endif
void main() {
#ifdef SHADOWS
    v_sunshine = in_colour.rgb * in_colour.rgb * sunshine(unpack(in_normal.xyz));
    v_place = in_position;
#endif
    v_relative = in_position - camera_time.xyz;
    v_colour = in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz));
    v_traits = in_traits.xyz;
    gl_Position = project(v_relative, in_traits.w * 16.0);
}
"""
)

PLAIN_VERTEX = (
    MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_traits;
out vec3 v_colour;
#ifdef SHADOWS
out vec3 v_shaded;
out vec3 v_place;
#endif
void main() {
    vec3 relative = in_position - camera_time.xyz;
    float distance_m = length(relative);
    vec3 colour = in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz));
    float wet = in_traits.z * sun_wetness.w;
    float graze = 1.0 - clamp(-relative.z / distance_m, 0.0, 1.0);
    colour = mix(colour * (1.0 - 0.45 * wet), horizon_fog.rgb, 0.35 * wet * graze * graze * graze);
    v_colour = sqrt(min(mix(colour, horizon_fog.rgb, haze(distance_m)), 1.0));
#ifdef SHADOWS
    colour -= in_colour.rgb * in_colour.rgb * sunshine(unpack(in_normal.xyz))
        * (1.0 - 0.45 * wet) * (1.0 - 0.35 * wet * graze * graze * graze);
    v_shaded = sqrt(clamp(mix(colour, horizon_fog.rgb, haze(distance_m)), 0.0, 1.0));
    v_place = in_position;
#endif
    gl_Position = project(relative, in_traits.w * 16.0);
}
"""
)

FRAGMENT = (
    MOMENT
    + NOISE
    + """
in vec3 v_colour;
in vec3 v_relative;
flat in vec3 v_traits;
#ifdef SHADOWS
in vec3 v_sunshine;
in vec3 v_place;
#endif
out vec4 pixel;
void main() {
    vec2 ground = v_relative.xy + camera_time.xy;
    float distance_m = length(v_relative);
    // Grains fade out before they get smaller than a pixel, patches where plain chunks begin.
    float metre_px = weather.y / distance_m;
    float fine = (cell_noise(ground * 33.0) - 0.5) * clamp(1.4 - distance_m * 0.10, 0.0, 1.0);
    float coarse = smooth_noise(ground * 0.9) - 0.5;
    float wide = smooth_noise(ground * 0.11) - 0.5;
    float near = clamp(metre_px * 0.25 - 1.25, 0.0, 1.0);
    coarse *= near;
    wide *= mix(near, 1.0, step(0.01, v_traits.y));
    float grain = v_traits.x * (0.35 * fine + 0.22 * coarse + 0.28 * wide)
        + v_traits.y * (0.45 * fine + 0.50 * coarse + 0.65 * wide);
    float wet = v_traits.z * sun_wetness.w;
    vec3 colour = v_colour;
#ifdef SHADOWS
    colour -= v_sunshine * (1.0 - sunlit(v_place));
#endif
    colour = colour * (1.0 + grain) * (1.0 - 0.45 * wet);
    float graze = 1.0 - clamp(-v_relative.z / distance_m, 0.0, 1.0);
    float pool = clamp(wide * 3.0 - 0.9 + 1.5 * sky_puddles.w, 0.0, 1.0) * v_traits.z;
    float mirror = (0.35 * wet + 0.5 * pool * sky_puddles.w) * graze * graze * graze;
    colour = mix(colour, horizon_fog.rgb, mirror);
    pixel = image(mix(colour, horizon_fog.rgb, haze(distance_m)));
}
"""
)
