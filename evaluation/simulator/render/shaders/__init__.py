"""The shader family: one light, one fog, six kinds of things; and what each thing is called.

Colours are linear until `image`, which takes the square root (a cheap stand-in for the sRGB
curve) and swaps to BGRA, the byte order that CARLA sends. On Mesa's CPU driver both sides of a
branch run, and a texture sample costs as much as thirty additions and multiplications: hence no
branches (what differs between materials travels with the vertices) and no textures.
"""
