#!/usr/bin/env bash
# py_trees 0.8.3, which the CARLA leaderboard pins: a Parallel that waits for all of its children
# goes on ticking those that have succeeded, and a tick starts them anew. It succeeds only when all
# happen to end in one tick: of two pedestrians who need 2 and 3 ticks, one crosses three times,
# the other twice, before the scenario goes on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check py_trees==0.8.3
cat > show.py <<'PY'
from importlib.metadata import version

from py_trees.behaviour import Behaviour
from py_trees.common import ParallelPolicy, Status
from py_trees.composites import Parallel


class Crossing(Behaviour):
    """Succeeds in the given tick after its start."""

    def __init__(self, name: str, ticks: int) -> None:
        super().__init__(name)
        self.ticks, self.left, self.starts = ticks, 0, 0

    def initialise(self) -> None:
        self.left = self.ticks
        self.starts += 1

    def update(self) -> Status:
        self.left -= 1
        return Status.RUNNING if self.left else Status.SUCCESS


def together(*ticks: int) -> tuple[int, list[int]]:
    """Ticks until all have succeeded, and how often each was started."""
    crossings = [Crossing(f"walker {number}", need) for number, need in enumerate(ticks)]
    tree = Parallel("walkers", ParallelPolicy.SUCCESS_ON_ALL, children=crossings)
    for tick in range(1, 1000):
        tree.tick_once()
        if tree.status == Status.SUCCESS:
            break
    return tick, [crossing.starts for crossing in crossings]


print("py_trees", version("py_trees"))
for ticks in ((3, 3), (2, 3), (20, 21)):
    print(f"children that need {ticks} ticks: all succeeded after and starts", together(*ticks))
print("expected: 3, 3 and 21 ticks, and one start each.")
assert together(3, 3) == (3, [1, 1]), together(3, 3)
assert together(2, 3) == (6, [3, 2]), together(2, 3)
assert together(20, 21) == (420, [21, 20]), together(20, 21)
PY
venv/bin/python show.py
