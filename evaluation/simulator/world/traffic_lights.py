"""Traffic lights: the cycle of each junction, and which light a vehicle waits at.

As in CARLA the lights of a junction are split into groups that take turns: green, yellow, then a
short time in which the whole junction shows red, then the next group.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from evaluation.simulator.town.town import TrafficLightSpec
from evaluation.simulator.world.trigger_areas import AreaIndex

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class LightState(IntEnum):
    """What a light shows, with the numbers of the protocol."""

    RED = 0
    YELLOW = 1
    GREEN = 2
    OFF = 3
    UNKNOWN = 4


DEFAULT_GREEN_S = 10.0
DEFAULT_YELLOW_S = 3.0
DEFAULT_RED_S = 2.0
SHORTEST_TIME_S = 0.01
LONGEST_TIME_S = 1e6

# Stages of a group's turn, in order, and what its lights show meanwhile.
STAGE_COUNT = 3
STAGE_STATES = np.array([LightState.GREEN, LightState.YELLOW, LightState.RED], dtype=np.uint8)


class TrafficLightCycle:
    """The states of all lights of a town; lights are named by their index in `specs`.

    Args:
        specs: the lights of the town.
        rng: draws where in its cycle each junction starts.

    Attributes:
        states: (n,) LightState numbers.
        elapsed_s: (n,) time since each light last changed.
        frozen: (n,) lights that keep their state.
        times_s: (n, 3) green, yellow and all-red time of the group of each light.
    """

    def __init__(self, specs: Sequence[TrafficLightSpec], rng: np.random.Generator) -> None:
        count = len(specs)
        self.areas = AreaIndex([s.transform for s in specs], [s.trigger_box for s in specs])
        facing = np.array([spec.facing_yaw_rad for spec in specs], dtype=np.float64)
        self._approach = -np.stack((np.cos(facing), np.sin(facing)), axis=1)
        junctions = sorted({spec.junction_id for spec in specs})
        place = {junction: index for index, junction in enumerate(junctions)}
        self._junction: Ints = np.array([place[s.junction_id] for s in specs], dtype=np.int64)
        self._group = np.zeros(count, dtype=np.int64)
        self._group_count = np.ones(len(junctions), dtype=np.int64)
        for index in range(len(junctions)):
            members = np.flatnonzero(self._junction == index)
            groups = np.array([specs[member].group for member in members.tolist()])
            names, self._group[members] = np.unique(groups, return_inverse=True)
            self._group_count[index] = len(names)
        # First light of each (junction, group), by which the times of a turn are found.
        widest = int(self._group_count.max(initial=1))
        self._leader = np.zeros((len(junctions), widest), dtype=np.int64)
        self._leader[self._junction[::-1], self._group[::-1]] = np.arange(count)[::-1]

        self.times_s = np.tile((DEFAULT_GREEN_S, DEFAULT_YELLOW_S, DEFAULT_RED_S), (count, 1))
        self.states = np.full(count, LightState.RED, dtype=np.uint8)
        self.elapsed_s = np.zeros(count)
        self.frozen = np.zeros(count, dtype=np.bool_)
        self._all_frozen = False
        self._turn = np.zeros(len(junctions), dtype=np.int64)
        self._stage = np.zeros(len(junctions), dtype=np.int64)
        self._stage_elapsed_s = np.zeros(len(junctions))
        self._show(np.ones(len(junctions), dtype=np.bool_))
        turn_s = DEFAULT_GREEN_S + DEFAULT_YELLOW_S + DEFAULT_RED_S
        self._advance(rng.uniform(0.0, turn_s * self._group_count))

    def __len__(self) -> int:
        return len(self.states)

    # Time

    def step(self, duration_s: float) -> None:
        """Let time pass; frozen lights keep their state and their clock."""
        if self._all_frozen or not len(self.states):
            return
        self._advance(np.full(len(self._turn), duration_s))

    def _stage_time_s(self) -> Floats:
        """Duration (junctions,) of the stage that each junction is in."""
        leaders = self._leader[np.arange(len(self._turn)), self._turn]
        return self.times_s[leaders, self._stage]

    def _cycle_time_s(self) -> Floats:
        """Duration (junctions,) of the turns of all groups of each junction."""
        turns_s = self.times_s[self._leader].sum(axis=2)
        has_turn = np.arange(turns_s.shape[1]) < self._group_count[:, None]
        total_s: Floats = np.where(has_turn, turns_s, 0.0).sum(axis=1)
        return total_s

    def _advance(self, duration_s: Floats) -> None:
        """Move each junction on by its own duration (junctions,), through any number of stages.

        Whole cycles lead back to where they began: they are skipped, not run through.
        """
        self.elapsed_s += np.where(self.frozen, 0.0, duration_s[self._junction])
        cycle_s = self._cycle_time_s()
        duration_s = np.where(duration_s < cycle_s, duration_s, np.fmod(duration_s, cycle_s))
        self._stage_elapsed_s += duration_s
        while True:
            left_s = self._stage_elapsed_s - self._stage_time_s()
            over = left_s > -1e-9
            if not over.any():
                return
            self._stage_elapsed_s[over] = np.maximum(left_s[over], 0.0)
            self._stage[over] += 1
            ended = self._stage == STAGE_COUNT
            self._stage[ended] = 0
            self._turn[ended] = (self._turn[ended] + 1) % self._group_count[ended]
            self._show(over)

    def _show(self, junctions: NDArray[np.bool_]) -> None:
        """Set the lights of junctions (mask) to what their stage asks for."""
        members = junctions[self._junction] & ~self.frozen
        on_turn = self._turn[self._junction] == self._group
        wanted = np.where(on_turn, STAGE_STATES[self._stage[self._junction]], LightState.RED)
        changed = members & (wanted != self.states)
        self.states[changed] = wanted[changed]
        self.elapsed_s[changed] = self._stage_elapsed_s[self._junction[changed]]

    # Commands

    def set_state(self, light: int, state: int) -> None:
        """Show `state` until the junction's next change, or for good if the light is frozen."""
        self.states[light] = LightState(state)
        self.elapsed_s[light] = 0.0

    def show(self, light: int, state: int, frozen: bool, elapsed_s: float) -> None:
        """Show what a recording says; a state or a time that no light has is left out."""
        if state in tuple(LightState) and 0.0 <= elapsed_s <= LONGEST_TIME_S:
            self.states[light] = state
            self.elapsed_s[light] = elapsed_s
            self.freeze(light, frozen)

    def set_time_s(self, light: int, state: LightState, duration_s: float) -> None:
        """Set how long the group of a light shows green or yellow, or waits in red after it.

        Raises:
            ValueError: another state, or a duration that no light has.
        """
        stage = {LightState.GREEN: 0, LightState.YELLOW: 1, LightState.RED: 2}.get(state)
        if stage is None:
            raise ValueError(
                f"traffic light time: only red, yellow and green have one, not {state!r}"
            )
        if not SHORTEST_TIME_S <= duration_s <= LONGEST_TIME_S:
            expected = f"{SHORTEST_TIME_S} to {LONGEST_TIME_S:g} s"
            raise ValueError(f"traffic light time: expected {expected}, got {duration_s}")
        mates = self._junction == self._junction[light]
        mates &= self._group == self._group[light]
        self.times_s[mates, stage] = duration_s

    def freeze_all(self, frozen: bool) -> None:
        """Stop or restart all lights of the town."""
        self._all_frozen = frozen
        self.frozen[:] = frozen

    def freeze(self, light: int, frozen: bool) -> None:
        """Stop or restart one light; its junction goes on around it."""
        self.frozen[light] = frozen
        self._all_frozen = bool(self.frozen.all())

    def reset_group(self, light: int) -> None:
        """Restart the junction of a light with the turn of its first group."""
        self._reset(np.arange(len(self._turn)) == self._junction[light])

    def reset_all(self) -> None:
        """Restart every junction with the turn of its first group, and unfreeze all lights."""
        self.freeze_all(False)
        self._reset(np.ones(len(self._turn), dtype=np.bool_))

    def _reset(self, junctions: NDArray[np.bool_]) -> None:
        self._turn[junctions] = 0
        self._stage[junctions] = 0
        self._stage_elapsed_s[junctions] = 0.0
        self._show(junctions)
        self.elapsed_s[junctions[self._junction]] = 0.0

    # Queries

    def group_members(self, light: int) -> list[int]:
        """Return all lights of the junction of a light, itself included (CARLA's "group")."""
        members: list[int] = np.flatnonzero(self._junction == self._junction[light]).tolist()
        return members

    def light_at(self, points_world_m: Floats, yaw_rad: Floats) -> Ints:
        """Return the light (n,) whose trigger volume holds each point, -1 for none.

        `points_world_m` (n, 3) are the places of vehicles (their front), `yaw_rad` (n,) where they
        head: a vehicle that crosses the volume against its direction is not held up by it.
        """
        found = np.full(len(points_world_m), -1, dtype=np.int64)
        points, lights = self.areas.candidates(points_world_m)
        if not len(points):
            return found
        heading = np.stack((np.cos(yaw_rad[points]), np.sin(yaw_rad[points])), axis=1)
        along = (heading * self._approach[lights]).sum(axis=1) > 0.0
        # Reversed, so that of several the light of lowest index wins.
        found[points[along][::-1]] = lights[along][::-1]
        return found
