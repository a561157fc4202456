"""What the shaders share: a moment's uniforms, light, fog, noise, and a fragment's own colour."""

from __future__ import annotations

MOMENT = """
#version 430
layout(std140, binding = 0) uniform Moment {
    mat4 clip_from_relative;
    vec4 camera_time;
    vec4 sun_darkness;
    vec4 sun_wetness;
    vec4 sky_puddles;
    vec4 ground_clouds;
    vec4 horizon_fog;
    vec4 zenith_start;
    vec4 forward_far;
    vec4 right_tan;
    vec4 up_tan;
    vec4 weather;
    vec4 sun_map_place;
};

#ifdef SHADOWS
layout(binding = 1) uniform sampler2DShadow sun_map;

// How much of the sun reaches a place, 0 to 1 (render/sun_shadows.py).
float sunlit(vec3 place) {
    vec2 key = place.xy - place.z * weather.zw;
    vec2 share = (key - sun_map_place.xy) * sun_map_place.z;
    return texture(sun_map, vec3(share, 0.5 - (place.z + 0.15) / 1000.0));
}

vec3 sunshine(vec3 normal) {
    return sun_wetness.rgb * max(dot(normal, sun_darkness.xyz), 0.0);
}
#endif

vec4 project(vec3 relative, float layers) {
    vec4 clip = clip_from_relative * vec4(relative, 1.0);
    // Coplanar layers: the upper one is treated as a little nearer, in proportion to distance.
    clip.z += clip_from_relative[3][2] * 0.0015 * layers;
    return clip;
}

vec3 unpack(vec3 bytes) {
    return bytes * (255.0 / 127.0) - 128.0 / 127.0;
}

vec3 light(vec3 normal) {
    vec3 around = mix(ground_clouds.rgb, sky_puddles.rgb, 0.5 + 0.5 * normal.z);
    return around + sun_wetness.rgb * max(dot(normal, sun_darkness.xyz), 0.0);
}

float haze(float distance_m) {
    float fog = 1.0 - exp(-horizon_fog.w * max(distance_m - zenith_start.w, 0.0));
    float edge = clamp(distance_m / forward_far.w, 0.0, 1.0);
    return max(fog, edge * edge * (0.55 + 0.45 * edge));
}

vec4 image(vec3 colour) {
    return vec4(sqrt(min(colour, 1.0)).bgr, 1.0);
}
"""

NOISE = """
vec4 scatter(uvec4 x, uvec4 y) {
    uvec4 bits = (x * 0x9E3779B1u) ^ (y * 0x85EBCA77u);
    bits = (bits ^ (bits >> 15)) * 0x2C1B3C6Du;
    return vec4((bits >> 8) & 0xFFFFu) * (1.0 / 65535.0);
}

float cell_noise(vec2 place) {
    ivec2 cell = ivec2(floor(place));
    uint bits = (uint(cell.x) * 0x9E3779B1u) ^ (uint(cell.y) * 0x85EBCA77u);
    bits = (bits ^ (bits >> 15)) * 0x2C1B3C6Du;
    return float((bits >> 8) & 0xFFFFu) * (1.0 / 65535.0);
}

float smooth_noise(vec2 place) {
    vec2 corner = floor(place);
    vec2 share = place - corner;
    share = share * share * (3.0 - 2.0 * share);
    uvec2 cell = uvec2(ivec2(corner));
    vec4 four = scatter(cell.x + uvec4(0u, 1u, 0u, 1u), cell.y + uvec4(0u, 0u, 1u, 1u));
    vec2 two = mix(four.xz, four.yw, share.x);
    return mix(two.x, two.y, share.y);
}
"""

SHADED_FRAGMENT = (
    MOMENT
    + """
in vec3 v_colour;
in vec3 v_shaded;
in vec3 v_place;
out vec4 pixel;
void main() {
    pixel = vec4(mix(v_shaded, v_colour, sunlit(v_place)).bgr, 1.0);
}
"""
)
"""As the next, but for what lies in a shadow."""

PASS_FRAGMENT = """
#version 430
in vec3 v_colour;
out vec4 pixel;
void main() {
    pixel = vec4(v_colour.bgr, 1.0);
}
"""
