"""The shader family: one light, one fog, six kinds of things; and what each thing is called.

Colours are linear until `image`, which takes the square root (a cheap stand-in for the sRGB
curve) and swaps to BGRA, the byte order that CARLA sends. On Mesa's CPU driver both sides of a
branch run, and a texture sample costs as much as thirty additions and multiplications: hence no
branches (what differs between materials travels with the vertices) and no textures.
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

vec4 image(vec3 colour) {
    return vec4(sqrt(min(colour, 1.0)).bgr, 1.0);
}
"""

_NOISE = """
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

SURFACE_VERTEX = (
    _MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_traits;
out vec3 v_colour;
out vec3 v_relative;
flat out vec3 v_traits;
void main() {
    v_relative = in_position - camera_time.xyz;
    v_colour = in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz));
    v_traits = in_traits.xyz;
    gl_Position = project(v_relative, in_traits.w * 16.0);
}
"""
)

PLAIN_SURFACE_VERTEX = (
    _MOMENT
    + """
in vec3 in_position;
in vec4 in_normal;
in vec4 in_colour;
in vec4 in_traits;
out vec3 v_colour;
void main() {
    vec3 relative = in_position - camera_time.xyz;
    float distance_m = length(relative);
    vec3 colour = in_colour.rgb * in_colour.rgb * light(unpack(in_normal.xyz));
    float wet = in_traits.z * sun_wetness.w;
    float graze = 1.0 - clamp(-relative.z / distance_m, 0.0, 1.0);
    colour = mix(colour * (1.0 - 0.45 * wet), horizon_fog.rgb, 0.35 * wet * graze * graze * graze);
    v_colour = sqrt(min(mix(colour, horizon_fog.rgb, haze(distance_m)), 1.0));
    gl_Position = project(relative, in_traits.w * 16.0);
}
"""
)

SURFACE_FRAGMENT = (
    _MOMENT
    + _NOISE
    + """
in vec3 v_colour;
in vec3 v_relative;
flat in vec3 v_traits;
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
    vec3 colour = v_colour * (1.0 + grain) * (1.0 - 0.45 * wet);
    float graze = 1.0 - clamp(-v_relative.z / distance_m, 0.0, 1.0);
    float pool = clamp(wide * 3.0 - 0.9 + 1.5 * sky_puddles.w, 0.0, 1.0) * v_traits.z;
    float mirror = (0.35 * wet + 0.5 * pool * sky_puddles.w) * graze * graze * graze;
    colour = mix(colour, horizon_fog.rgb, mirror);
    pixel = image(mix(colour, horizon_fog.rgb, haze(distance_m)));
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
flat out vec4 v_wall;
flat out vec4 v_pane;
out vec3 v_cell;
void main() {
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

PLAIN_FACADE_VERTEX = (
    _MOMENT
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

FACADE_FRAGMENT = (
    _MOMENT
    + """
flat in vec4 v_wall;
flat in vec4 v_pane;
in vec3 v_cell;
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
    vec3 wall = v_wall.rgb * plinth + frame * (0.22 * sky_puddles.rgb - 0.4 * v_wall.rgb);
    pixel = image(mix(mix(wall, glass, pane), horizon_fog.rgb, v_cell.z));
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
    vec3 glow = in_glow.rgb * in_glow.rgb * 1.8;
    float veil = haze(distance_m);
    colour = mix(mix(colour, glow, lit), horizon_fog.rgb, veil * (1.0 - 0.5 * lit));
    v_colour = sqrt(min(colour, 1.0));
    gl_Position = project(relative, 0.0);
}
"""
)

PASS_FRAGMENT = """
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

STROKE_VERTEX = (
    _MOMENT
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

SKY_VERTEX = (
    _MOMENT
    + _NOISE
    + """
in vec3 in_direction;
out vec4 v_clear;
out float v_cloud;
void main() {
    float height = max(in_direction.z, 0.0);
    float glow = max(dot(in_direction, sun_darkness.xyz), 0.0);
    glow *= glow;
    glow *= glow;
    float halo = 0.22 * glow * glow * glow * glow + 0.8 * pow(glow, 60.0);
    vec3 clear = mix(horizon_fog.rgb, zenith_start.rgb, sqrt(height) * 0.9);
    clear += sun_wetness.rgb * halo;
    float fog = 1.0 - exp(-horizon_fog.w * 260.0 / (1.0 + 6.0 * height));
    v_clear = vec4(mix(clear, horizon_fog.rgb, fog), min(1.0 - fog, height * 30.0));
    // Clouds lie on a plane overhead; their field is smooth and gets its edges in the fragments.
    vec2 plane = in_direction.xy / (height + 0.10) + camera_time.w * 0.004;
    v_cloud = 0.55 * smooth_noise(plane * 0.9) + 0.30 * smooth_noise(plane * 2.1 + 7.0)
        + 0.15 * smooth_noise(plane * 4.3 + 3.0);
    vec4 clip = clip_from_relative * vec4(in_direction, 0.0);
    gl_Position = vec4(clip.xy, clip.w * 0.999999, clip.w);
}
"""
)

SKY_FRAGMENT = (
    _MOMENT
    + """
in vec4 v_clear;
in float v_cloud;
out vec4 pixel;
void main() {
    float cover = clamp((v_cloud - 0.80 + 0.85 * ground_clouds.w) * 3.5, 0.0, 0.85) * v_clear.a;
    vec3 lit = (0.62 * horizon_fog.rgb + 0.34 * sun_wetness.rgb + 0.25 * zenith_start.rgb)
        * (1.22 - 0.45 * v_cloud);
    pixel = image(mix(v_clear.rgb, lit, cover));
}
"""
)

RAIN_VERTEX = """
#version 430
in vec2 in_corner;
out vec2 v_corner;
void main() {
    v_corner = in_corner;
    gl_Position = vec4(in_corner, 0.0, 1.0);
}
"""

RAIN_FRAGMENT = (
    _MOMENT
    + _NOISE
    + """
in vec2 v_corner;
out vec4 pixel;
void main() {
    // Two layers of falling streaks, stretched along the image's vertical.
    vec2 angle = v_corner * vec2(right_tan.w, up_tan.w);
    vec2 near = vec2(angle.x * 26.0 + angle.y * 1.5, angle.y * 2.6 - camera_time.w * 9.0);
    vec2 away = vec2(angle.x * 61.0 - angle.y * 2.0, angle.y * 6.1 - camera_time.w * 13.0);
    float streak = max(smooth_noise(near), smooth_noise(away));
    float seen = clamp((streak - 1.02 + 0.20 * weather.x) * 3.0, 0.0, 1.0) * 0.30;
    pixel = vec4(sqrt(horizon_fog.bgr) * seen, seen);
}
"""
)

_LABEL_OUTPUTS = """
out float v_depth;
flat out vec2 v_label;

void place(vec3 relative, float layers, float tag, uint object) {
    v_depth = dot(relative, forward_far.xyz);
    v_label = vec2(tag * 255.0, float(object & 0xFFFFu));
    gl_Position = project(relative, layers);
}
"""

LABEL_SURFACE_VERTEX = (
    _MOMENT
    + _LABEL_OUTPUTS
    + """
in vec3 in_position;
in vec4 in_colour;
in vec4 in_traits;
void main() {
    place(in_position - camera_time.xyz, in_traits.w * 16.0, in_colour.a, 0u);
}
"""
)

LABEL_FACADE_VERTEX = (
    _MOMENT
    + _LABEL_OUTPUTS
    + """
in vec3 in_position;
in uint in_object;
void main() {
    place(in_position - camera_time.xyz, 0.0, 3.0 / 255.0, in_object);
}
"""
)

LABEL_MODEL_VERTEX = (
    _MOMENT
    + _LABEL_OUTPUTS
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

LABEL_FRAGMENT = """
#version 430
in float v_depth;
flat in vec2 v_label;
out vec4 pixel;
void main() {
    pixel = vec4(v_depth, v_label, 1.0);
}
"""
