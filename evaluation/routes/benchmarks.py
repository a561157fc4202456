"""Benchmarks that come with this program, called by name where a route file is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.scenario import TWIN
from evaluation.routes.towns import GENERATED_NAME

MINI = "mini"
MINI_FILE = Path(__file__).parents[1] / "mini" / "mini.xml"
LAST_TRAINING_SEED = 100
"""Generated towns with a higher seed are held out: nothing may be trained in them."""


def _is_held_out(route: Route) -> bool:
    generated = GENERATED_NAME.fullmatch(route.town)
    return generated is not None and int(generated[1]) > LAST_TRAINING_SEED


PARTS: dict[str, Callable[[Route], bool]] = {
    "training": lambda route: not _is_held_out(route),
    "heldout": _is_held_out,
    "originals": lambda route: not route.route_id.endswith(TWIN),
    "twins": lambda route: route.route_id.endswith(TWIN),
}


def route_file(path: Path) -> tuple[Path, Sequence[str]]:
    """The file behind `mini`, or `mini:PART:PART`, and the parts; any other path is what it is.

    Raises:
        RouteFileError: no such part.
    """
    name, *parts = str(path).split(":")
    if name != MINI or path.exists():
        return path, ()
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise RouteFileError(
            f"{path}: the benchmark {MINI} has no part {unknown[0]!r}; it has {', '.join(PARTS)}"
        )
    return MINI_FILE, parts


def of_parts(routes: Sequence[Route], parts: Sequence[str]) -> tuple[Route, ...]:
    """Routes that belong to every part."""
    return tuple(route for route in routes if all(PARTS[part](route) for part in parts))
