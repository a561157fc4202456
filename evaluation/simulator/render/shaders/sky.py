"""Sky with sun and clouds, and rain before the lens."""

from __future__ import annotations

from evaluation.simulator.render.shaders.common import MOMENT, NOISE

SKY_VERTEX = (
    MOMENT
    + NOISE
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
    MOMENT
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
    MOMENT
    + NOISE
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
