"""From noisy sensors and a predicted plan to steering, throttle and brake.

Records, frames, GNSS conversion, state estimation, target selection and control. The package knows
neither the network nor the simulator: beyond the standard library it imports numpy, and scipy for
one thing, the monotone interpolation of a predicted route (`scipy.interpolate`).
"""
