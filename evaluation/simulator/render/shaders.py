"""The shader family: one light, one fog, five kinds of things.

Colours are linear until `picture`, which takes the square root (a cheap stand-in for the sRGB curve)
and swaps to BGRA, the byte order that CARLA sends. Mesa's CPU driver runs both sides of every branch,
so there are none: what differs between materials travels with the vertices.
"""

from __future__ import annotations

_MOMENT = """
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
};

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

vec4 picture(vec3 colour) {
    return vec4(sqrt(min(colour, 1.0)).bgr, 1.0);
}
"""

SURFACE_VERTEX = (
    _MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_traits;
out vec4 v_colour;
out vec3 v_relative;
out vec2 v_ground;
out vec3 v_traits;
void main() {
    v_relative = in_position - camera_time.xyz;
    v_ground = in_position.xy;
    v_colour = vec4(in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz)), in_colour.a);
    v_traits = in_traits.xyz;
    gl_Position = project(v_relative, in_traits.w * 16.0);
}
"""
)

SURFACE_FRAGMENT = (
    _MOMENT
    + """
uniform sampler2D noise;
in vec4 v_colour;
in vec3 v_relative;
in vec2 v_ground;
in vec3 v_traits;
out vec4 pixel;
void main() {
    vec4 fine = texture(noise, v_ground * 0.11) - 0.5;
    vec4 wide = texture(noise, v_ground * 0.013) - 0.5;
    float distance_m = length(v_relative);
    float grain = v_traits.x * (0.9 * fine.r + 0.55 * wide.g) + v_traits.y * (1.3 * fine.b + 1.1 * wide.g);
    float wet = v_traits.z * sun_wetness.w;
    vec3 colour = v_colour.rgb * (1.0 + grain) * (1.0 - 0.45 * wet);
    float graze = 1.0 - clamp(-v_relative.z / distance_m, 0.0, 1.0);
    float pool = clamp(wide.g * 3.0 - 0.9 + 1.5 * sky_puddles.w, 0.0, 1.0) * v_traits.z;
    float mirror = (0.35 * wet + 0.5 * pool * sky_puddles.w) * graze * graze * graze;
    colour = mix(colour, horizon_fog.rgb, mirror);
    pixel = picture(mix(colour, horizon_fog.rgb, haze(distance_m)));
}
"""
)

FACADE_VERTEX = (
    _MOMENT
    + """
in vec3 in_position;
in vec2 in_cell;
in vec4 in_normal;
in vec4 in_colour;
out vec4 v_colour;
out vec3 v_cell;
out vec4 v_haze;
void main() {
    vec3 relative = in_position - camera_time.xyz;
    vec3 lit = light(unpack(in_normal.xyz));
    v_colour = vec4(in_colour.rgb * in_colour.rgb * lit, in_colour.a);
    v_cell = vec3(in_cell, in_normal.w);
    float distance_m = length(relative);
    v_haze = vec4(lit, haze(distance_m));
    gl_Position = project(relative, 0.0);
}
"""
)

FACADE_FRAGMENT = (
    _MOMENT
    + """
in vec4 v_colour;
in vec3 v_cell;
in vec4 v_haze;
out vec4 pixel;
void main() {
    vec2 within = fract(v_cell.xy) - 0.5;
    vec2 cell = floor(v_cell.xy);
    vec2 blur = max(fwidth(v_cell.xy), 0.02);
    float street = clamp(1.0 - cell.y, 0.0, 1.0);
    // Half the size of a pane in its cell; shop windows on the street floor are wider.
    vec2 half_pane = vec2(0.20 + 0.20 * fract(v_colour.a * 7.3), 0.24 + 0.12 * fract(v_colour.a * 3.7));
    half_pane = mix(half_pane, vec2(0.42, 0.36), street);
    vec2 edge = clamp((half_pane - abs(within)) / blur + 0.5, 0.0, 1.0);
    vec2 far = clamp(blur * 2.0 - 0.5, 0.0, 1.0);
    vec2 cover = mix(edge, 2.0 * half_pane, far);
    float pane = cover.x * cover.y * v_cell.z;
    float pick = fract(dot(cell, vec2(0.7549, 0.5698)) + v_colour.a * 17.0);
    pick = fract(pick * pick * 91.7);
    vec3 glass = mix(vec3(0.020, 0.026, 0.034), horizon_fog.rgb, 0.10 + 0.22 * pick);
    float lit = step(0.62, pick) * sun_darkness.w;
    glass += lit * vec3(0.55, 0.38, 0.16) * (0.4 + pick);
    float plinth = 1.0 - 0.25 * clamp(1.0 - v_cell.y * 1.5, 0.0, 1.0) * v_cell.z;
    vec3 colour = mix(v_colour.rgb * plinth, glass, pane);
    pixel = picture(mix(colour, horizon_fog.rgb, v_haze.w));
}
"""
)

MODEL_VERTEX = (
    _MOMENT
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
    vec3 glow = in_glow.rgb * 1.6;
    float veil = haze(distance_m);
    colour = mix(mix(colour, glow, lit), horizon_fog.rgb, veil * (1.0 - 0.5 * lit));
    v_colour = sqrt(min(colour, 1.0));
    gl_Position = project(relative, 0.0);
}
"""
)

MODEL_FRAGMENT = """
#version 430
in vec3 v_colour;
out vec4 pixel;
void main() {
    pixel = vec4(v_colour.bgr, 1.0);
}
"""

DECAL_VERTEX = (
    _MOMENT
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

SKY_VERTEX = (
    _MOMENT
    + """
in vec2 in_corner;
out vec3 v_ray;
void main() {
    v_ray = forward_far.xyz + right_tan.xyz * (in_corner.x * right_tan.w)
        - up_tan.xyz * (in_corner.y * up_tan.w);
    gl_Position = vec4(in_corner, 1.0, 1.0);
}
"""
)

SKY_FRAGMENT = (
    _MOMENT
    + """
uniform sampler2D noise;
in vec3 v_ray;
out vec4 pixel;
void main() {
    vec3 ray = normalize(v_ray);
    float height = max(ray.z, 0.0);
    vec3 colour = mix(horizon_fog.rgb, zenith_start.rgb, sqrt(height) * 0.9);
    vec2 plane = ray.xy / (height + 0.12);
    float cloud = texture(noise, plane * 0.045 + camera_time.w * 0.0002).a
        + 0.22 * texture(noise, plane * 0.21).g - 0.11;
    float cover = clamp((cloud - 0.92 + 0.95 * ground_clouds.w) * 3.2, 0.0, 1.0) * clamp(height * 9.0, 0.0, 1.0);
    vec3 lit_cloud = 0.55 * horizon_fog.rgb + 0.38 * sun_wetness.rgb + 0.25 * zenith_start.rgb;
    colour = mix(colour, lit_cloud * (1.25 - 0.5 * cloud), cover * 0.85);
    float toward_sun = max(dot(ray, sun_darkness.xyz), 0.0);
    float disc = pow(toward_sun, 1200.0) * 4.0 + pow(toward_sun, 16.0) * 0.16;
    colour += sun_wetness.rgb * disc * (1.0 - cover);
    float fog = 1.0 - exp(-horizon_fog.w * 260.0 / (1.0 + 6.0 * height));
    pixel = picture(mix(colour, horizon_fog.rgb, fog));
}
"""
)

RAIN_FRAGMENT = (
    _MOMENT
    + """
uniform sampler2D noise;
in vec3 v_ray;
out vec4 pixel;
void main() {
    vec3 ray = normalize(v_ray);
    vec2 column = vec2(atan(ray.y, ray.x) * 6.0, ray.z * 0.35 + camera_time.w * 1.7);
    float streak = texture(noise, column).r * texture(noise, column.yx * vec2(0.3, 2.1)).b;
    float seen = clamp(streak * 6.0 - 2.6 + 0.5 * weather.x, 0.0, 1.0) * 0.28 * weather.x;
    pixel = vec4(sqrt(horizon_fog.bgr) * seen, seen);
}
"""
)
