"""Who drives, by the keys that a person presses."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import carla
import numpy as np
import pytest

from evaluation.closed_loop.hands import Hands, Keys, Scene, Wheel, pedals, press, turn
from evaluation.closed_loop.hands_terminal import KeyPipe, names_of, typed_keys
from evaluation.closed_loop.hands_window import NoWindowError
from evaluation.commands.seat import seat
from evaluation.scoring.tick import Tick

AGENTS = carla.VehicleControl(throttle=0.3)
SCENE = Scene(
    Tick(1, 0.05, np.zeros(3), 0.0, np.zeros(3), np.ones(3), 10.0),
    {},
    AGENTS,
)


class Script:
    """A seat whose keys were written down before."""

    def __init__(self, looks: Sequence[Keys]) -> None:
        self.looks = list(looks)
        self.closed = False

    def look(self, scene: Scene, wheel: Wheel) -> Keys:
        return self.looks.pop(0)

    def close(self) -> None:
        self.closed = True


def drive(
    looks: Sequence[Keys], ticks: int, paused: bool = False
) -> list[tuple[float, bool, bool]]:
    script = Script(looks)
    hands = Hands(lambda: script, paused)
    hands.begin()
    found = []
    for _ in range(ticks):
        control, by_person, single = hands.drive(SCENE)
        found.append((round(control.throttle, 2), by_person, single))
    hands.end()
    assert script.closed
    return found


def test_a_person_takes_over_and_gives_back() -> None:
    up = frozenset({"up"})
    looks = [Keys(), Keys(("m",), up), Keys((), up), Keys(), Keys(("m",))]
    assert drive(looks, 5) == [
        (0.3, False, False),
        (0.6, True, False),
        (0.6, True, False),
        (0.0, True, False),
        (0.3, False, False),
    ]


def test_paused_it_waits_for_single_steps() -> None:
    looks = [Keys(), Keys(), Keys(("n", "n")), Keys(), Keys(), Keys(("p",)), Keys()]
    found = drive(looks, 4, paused=True)
    assert found == [(0.3, False, True)] * 2 + [(0.3, False, False)] * 2


def test_a_closed_window_gives_the_wheel_back_for_good() -> None:
    assert drive([Keys(("m",)), Keys(closed=True)], 4)[1:] == [(0.3, False, False)] * 3


def test_the_wheel_turns_while_a_key_is_held_and_goes_back() -> None:
    wheel = Wheel(by_person=True)
    for _ in range(100):
        wheel = turn(wheel, frozenset({"right"}))
    assert wheel.steer == 0.8
    for _ in range(20):
        wheel = turn(wheel, frozenset())
    assert wheel.steer == 0.0
    assert turn(wheel, frozenset({"left"})).steer == -0.05


def test_braking_goes_before_driving() -> None:
    control = pedals(Wheel(by_person=True), frozenset({"up", "down"}))
    assert (control.throttle, control.brake) == (0.0, 1.0)


def test_other_keys_do_nothing() -> None:
    assert press(Wheel(), Keys(("x", "q", "up"))) == Wheel()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("\x1b[A\x1b[D", ["up", "left"]),
        ("M", ["m"]),
        ("\n", ["n"]),
        ("\x1b", ["\x1b"]),
        ("\x1b[Z", ["\x1b", "[", "z"]),
    ],
)
def test_what_a_terminal_sends(text: str, names: list[str]) -> None:
    assert names_of(text) == names


def test_a_display_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygame", reason="needs pygame: pip install 'simlingo-carla[debug]'")
    monkeypatch.setenv("DISPLAY", ":7777")
    for name in ("WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoWindowError, match=r"no window can be opened.*unset"), seat(paused=True):
        pass


def test_keys_typed_at_a_terminal_reach_the_driving_process(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as terminal, typed_keys(tmp_path / "keys", terminal):
        pipe = KeyPipe(tmp_path / "keys")
        os.write(ours, b"m\x1b[A")
        pressed: list[str] = []
        held: set[str] = set()
        deadline_s = time.monotonic() + 20.0
        while len(pressed) < 2 and time.monotonic() < deadline_s:
            keys = pipe.look(SCENE, Wheel())
            pressed += keys.pressed
            held |= keys.held
        pipe.close()
    os.close(ours)
    assert pressed == ["m", "up"]
    assert held == {"up"}
    assert not (tmp_path / "keys").exists()
