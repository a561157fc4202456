"""What can be wrong with a run, found before anything long starts."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import carla

from evaluation.errors import UserError
from evaluation.routes.route import Route, RouteFileError
from evaluation.routes.scenario import scenario_of
from evaluation.routes.towns import (
    DEMO,
    GENERATED_NAME,
    TownSpecError,
    name_of,
    spec_of,
)
from evaluation.servers.embedded import SimulatorError

ENTRY_POINT = "get_entry_point"
ANSWER_TIMEOUT_S = 20.0
OPENDRIVE_SUFFIX = ".xodr"
OPEN_MAP = "import sys; from evaluation.routes.towns import open_map; open_map(sys.argv[1])"
PROJECT = Path(__file__).parents[2]


class AgentFileError(UserError, ValueError):
    """A file that is not a leaderboard agent."""


def require_agent(path: Path) -> None:
    """Raises AgentFileError unless the file can be the module of a leaderboard agent.

    The file is read, not imported: it may need what only the evaluator's process has.
    """
    if not path.is_file():
        raise AgentFileError(f"{path}: no such agent file")
    name = path.name.partition(".")[0]
    if path.suffix != ".py" or not name.isidentifier() or path.name != f"{name}.py":
        raise AgentFileError(
            f"{path}: evaluators import an agent by the name of its file, so it has to be a "
            "Python file called like a module"
        )
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except (SyntaxError, ValueError) as error:
        raise AgentFileError(f"{path} is not Python: {error}") from None
    if not any(_defines(node, ENTRY_POINT) for node in tree.body):
        raise AgentFileError(
            f"{path} is no leaderboard agent: it has no function {ENTRY_POINT}(), which returns "
            "the name of the agent's class"
        )


def _defines(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name == name
    if isinstance(node, ast.ImportFrom):
        return any(name in (alias.asname, alias.name) for alias in node.names)
    return False


def routes_of_subset(routes: Sequence[Route], subset: str) -> tuple[Route, ...]:
    """The routes that an evaluator runs of a file for its `--routes-subset`: ids and ranges of them
    in the file's order, such as `0,3-5`; all for none. RouteFileError for an id that is not there.
    """
    ids = [route.route_id for route in routes]
    chosen: set[int] = set()
    for group in filter(None, subset.split(",")):
        first, _, last = group.strip().partition("-")
        unknown = [route_id for route_id in (first, last or first) if route_id not in ids]
        if unknown:
            raise RouteFileError(f"{routes[0].source}: --routes-subset: no route {unknown[0]!r}")
        start, end = ids.index(first), ids.index(last or first)
        if end < start:
            raise RouteFileError(
                f"{routes[0].source}: --routes-subset {group}: {last} stands before {first}"
            )
        chosen.update(range(start, end + 1))
    return tuple(route for number, route in enumerate(routes) if not subset or number in chosen)


def require_scenarios(routes: Sequence[Route]) -> None:
    """Raises RouteFileError for a route that Bench2Drive cannot name: it files each route under its
    first scenario and first weather."""
    for route in routes:
        for what, given in (("scenario", route.scenarios), ("weather", route.weathers)):
            if not given:
                raise RouteFileError(
                    f"{route.source}, route {route.route_id}: Bench2Drive's evaluator needs a "
                    f"{what} in every route; run this file with one of the leaderboards"
                )


def require_official_scenarios(routes: Sequence[Route]) -> None:
    """Raises RouteFileError for a route whose scenario the official evaluators do not know: they
    would end in a traceback, or leave it out."""
    for route in routes:
        if scenario_of(route) is not None:
            raise RouteFileError(
                f"{route.source}, route {route.route_id}: its scenario is this program's own; "
                "drive it with `python -m evaluation drive`"
            )


def town_to_start(routes: Sequence[Route], asked: str | None, folder: Path | None) -> str:
    """Specification of the town that the embedded simulator starts with; it loads the other ones
    by name, from the folder or as its own.

    Raises RouteFileError for a town that is not to be had and TownSpecError for a map that cannot
    be read.
    """
    specs: dict[str, str] = {}
    for route in routes:
        try:
            specs.setdefault(route.town, spec_of(route.town, asked, folder))
        except TownSpecError as error:
            raise RouteFileError(f"{route.source}, route {route.route_id}: {error}") from None
    if asked is not None and asked not in specs.values():
        raise RouteFileError(
            f"--town {asked} is the town of no route: {routes[0].source} needs {', '.join(specs)}"
        )
    _require_readable(
        [str(Path(spec).resolve()) for spec in specs.values() if spec.endswith(OPENDRIVE_SUFFIX)]
    )
    return asked or next(iter(specs.values()))


def _require_readable(files: Sequence[str]) -> None:
    """Opens each map in a process of its own: CARLA's reader ends the process at some faults."""
    for file in files:
        done = subprocess.run(
            [sys.executable, "-c", OPEN_MAP, file],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise TownSpecError(f"town {file!r}: CARLA cannot read its OpenDRIVE ({said[-1]})")


def require_towns_of_server(host: str, port: int, routes: Sequence[Route]) -> None:
    """Raises SimulatorError if no server answers there and RouteFileError if it lacks a town."""
    client = carla.Client(host, port)
    client.set_timeout(ANSWER_TIMEOUT_S)
    try:
        maps = client.get_available_maps()
    except RuntimeError as error:
        raise SimulatorError(
            f"no simulator answers at {host}:{port} ({error}); start one with "
            f"`python -m evaluation serve --port {port}`, or leave out --simulator"
        ) from None
    require_towns_among(routes, {name.rpartition("/")[2] for name in maps}, f"{host}:{port}")


def require_towns_among(routes: Sequence[Route], towns: Collection[str], where: str) -> None:
    for route in routes:
        # The embedded simulator generates towns by name, of which it lists only those in use.
        if name_of(DEMO) in towns and GENERATED_NAME.fullmatch(route.town):
            continue
        if route.town not in towns:
            raise RouteFileError(
                f"{route.source}, route {route.route_id}: the simulator at {where} has no town "
                f"{route.town}; it has {', '.join(sorted(towns))}"
            )
