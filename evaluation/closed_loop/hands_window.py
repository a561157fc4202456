"""Keys of a person in a window of pygame (extra `debug`), at the pace of the simulated time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.closed_loop.hands import DRIVING_KEYS, KEYS_HELP, Keys, Scene, Wheel
from evaluation.errors import UserError

INSTALL = "pygame is not installed: pip install 'simlingo-carla[debug]' (or pygame)"
TITLE = "simlingo-carla: manual drive"
SIZE_PX = (960, 560)
IMAGE_PX = (960, 480)
TICKS_PER_S = 20
TEXT_PX = 20
GROUND, TEXT = (24, 28, 34), (236, 239, 241)
UNSEEN = ("offscreen", "dummy")
"""SDL's drivers that draw for nobody, of which it takes the first where no display answers."""
AGENT_COLOUR, PERSON_COLOUR = (66, 165, 245), (255, 112, 67)


class NoWindowError(UserError, RuntimeError):
    """A window cannot be opened; the message names the fix."""


class Window:
    """Shows the front camera and who drives."""

    def __init__(self) -> None:
        self._pygame: Any = open_display()
        try:
            self._pygame.font.init()
            self._pygame.display.set_caption(TITLE)
            self._screen = self._pygame.display.set_mode(SIZE_PX)
        except self._pygame.error as error:
            raise _no_window(str(error)) from None
        self._font = self._pygame.font.Font(None, TEXT_PX)
        self._clock = self._pygame.time.Clock()

    def look(self, scene: Scene, wheel: Wheel) -> Keys:
        """Draws, waits for the next twentieth of a second, returns the keys since the last look."""
        self._draw(scene, wheel)
        self._clock.tick(TICKS_PER_S)
        pressed, closed = [], False
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                closed = True
            elif event.type == self._pygame.KEYDOWN:
                pressed.append(self._pygame.key.name(event.key))
        down = self._pygame.key.get_pressed()
        held = frozenset(key for key in DRIVING_KEYS if down[self._pygame.key.key_code(key)])
        # A key that went down and up between two looks counts for one tick.
        return Keys(tuple(pressed), held | (frozenset(pressed) & set(DRIVING_KEYS)), closed)

    def _draw(self, scene: Scene, wheel: Wheel) -> None:
        self._screen.fill(GROUND)
        image = front_image(scene)
        if image is not None:
            shown = cv2.resize(image, IMAGE_PX, interpolation=cv2.INTER_AREA)
            surface = self._pygame.surfarray.make_surface(np.swapaxes(shown, 0, 1))
            self._screen.blit(surface, (0, 0))
        who = "YOU DRIVE" if wheel.by_person else "the agent drives"
        colour = PERSON_COLOUR if wheel.by_person else AGENT_COLOUR
        paused = "   paused" if wheel.paused else ""
        tick, answer = scene.tick, scene.answer
        self._write(f"{who}{paused}", colour, 0)
        self._write(
            f"{tick.time_s:6.2f} s   {tick.speed_mps:4.1f} m/s   the agent would steer "
            f"{answer.steer:+.2f} throttle {answer.throttle:.2f} brake {answer.brake:.2f}",
            TEXT,
            1,
        )
        self._write(KEYS_HELP, TEXT, 2)
        self._pygame.display.flip()

    def _write(self, text: str, colour: tuple[int, int, int], line: int) -> None:
        drawn = self._font.render(text, True, colour)
        self._screen.blit(drawn, (12, IMAGE_PX[1] + 8 + 24 * line))

    def close(self) -> None:
        self._pygame.display.quit()


def open_display() -> Any:
    """pygame, with a display that somebody sees; raises NoWindowError where there is none."""
    try:
        import pygame
    except ImportError:
        raise NoWindowError(
            f"--manual, --step: {INSTALL}; or unset DISPLAY, for the terminal"
        ) from None
    try:
        pygame.display.init()
    except pygame.error as error:
        raise _no_window(str(error)) from None
    driver = pygame.display.get_driver()
    if driver in UNSEEN:
        pygame.display.quit()
        raise _no_window(f"no display answers, SDL took its driver {driver!r}")
    return pygame


def _no_window(why: str) -> NoWindowError:
    return NoWindowError(
        f"--manual, --step: no window can be opened ({why}); set DISPLAY to a display that "
        "runs, or unset it to drive from the terminal"
    )


def front_image(scene: Scene) -> NDArray[np.uint8] | None:
    """RGB (H, W, 3) of the agent's first camera; None for an agent without any."""
    for _, value in scene.inputs.values():
        if isinstance(value, np.ndarray) and value.ndim == 3 and value.dtype == np.uint8:
            return np.ascontiguousarray(value[:, :, 2::-1])
    return None
