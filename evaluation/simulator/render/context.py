"""The OpenGL context without a window, and which driver answered."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import moderngl

REQUIRED_GL_VERSION = 430
"""Indirect draws with a first instance."""
_EGL: dict[str, Any] = {"backend": "egl"}


class RendererUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, not a mistake
    """No OpenGL context can be had on this machine; the message says what to install."""


def open_context() -> moderngl.Context:
    """Open a standalone context over EGL.

    Mesa's software driver is told to rasterise in the calling thread, unless the environment
    variable LP_NUM_THREADS says otherwise: an image of this size gains nothing from more threads,
    and they would fight with the network's. Mesa reads the variable when the first context of the
    process opens.

    Raises RendererUnavailable where EGL or the OpenGL version is missing.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        return moderngl.create_context(REQUIRED_GL_VERSION, standalone=True, **_EGL)
    except Exception as error:
        raise RendererUnavailable(
            f"no OpenGL {REQUIRED_GL_VERSION / 100:.1f} context over EGL ({error}). On Debian or "
            "Ubuntu: apt-get install libegl1 libgl1 (they bring Mesa's software driver from "
            "libegl-mesa0 and libgl1-mesa-dri); cameras cannot be drawn without them."
        ) from error


def describe_context(context: moderngl.Context) -> str:
    """Name the driver, as in "llvmpipe (LLVM 15.0.6, 256 bits), Mesa/X.org, OpenGL 4.5"."""
    info: Mapping[str, Any] = context.info
    version = context.version_code / 100
    return f"{info['GL_RENDERER']}, {info['GL_VENDOR']}, OpenGL {version:.1f}"
