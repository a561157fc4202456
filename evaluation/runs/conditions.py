"""Is this the same run? The conditions under which routes are driven, for the ledger."""

from __future__ import annotations

import platform
import re
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent.settings import SettingsError, read_agent_settings
from evaluation.routes.route import Route
from evaluation.runs.job import Job, Json, plain
from evaluation.runs.ledger import Entry, Ledger, LedgerError
from model.conditions import differences, digests, text_digest

REPOSITORY = Path(__file__).parents[2]
OWN_CODE = ("agent", "model", "planner")
"""Packages that an agent of this repository may run."""
PACKAGES = ("carla", "numpy", "torch", "transformers")
AGENT_CODE, WEIGHTS = "agent code", "weights and files of the config"
PATH_ENDS = re.compile(r"[,+=]")
"""What stands between the values of an agent's config."""
SHOWN = 5
"""Differences that a message names."""


def run_conditions(job: Job) -> Json:
    """Everything but the route that decides how a job comes out: the same for all jobs of a run."""
    session = job.session
    conditions: Json = plain(
        {
            **agent_conditions(job.agent, job.agent_config),
            "blackout": job.blackout,
            "disturbances": job.disturbances.name,
            "traffic": job.traffic,
            "seed": job.seed,
            "rules": job.rules.value,
            "simulator": session.simulator or "embedded",
            "versions": _versions(),
        }
    )
    if job.official is not None:
        # Traffic and rules are the evaluator's.
        name = job.official.evaluator
        conditions |= {"evaluator": name, "traffic": name, "rules": name}
    return conditions


def agent_conditions(agent: Path, config: str) -> Json:
    """What an agent's answers depend on, beside what it is given."""
    conditions: Json = plain(
        {
            "agent": agent.name,
            AGENT_CODE: _agent_code(agent),
            "agent config": config,
            WEIGHTS: _config_files(agent, config),
        }
    )
    return conditions


def route_conditions(route: Route, town: Json, repetition: int = 0) -> Json:
    """What is a job's own. town: as `town_conditions` gives it."""
    positions = [[round(value, 3) for value in place] for place in route.positions_world_m]
    weathers = [asdict(point) for point in route.weathers]
    conditions: Json = plain(
        {
            "route": text_digest(repr((positions, route.scenarios))),
            "weather": text_digest(repr(weathers)),
            "town": {"name": route.town, **town},
            "repetition": repetition,
        }
    )
    return conditions


def town_conditions(spec: str | None) -> Json:
    """A town by what it is made from: its file's content, or what it is generated from. None: the
    town of a simulator that runs elsewhere."""
    if spec is None:
        return {}
    path = Path(spec)
    return {"map": next(iter(digests(path).values())) if path.is_file() else spec}


def require_same(ledger: Ledger, run: Json, routes: dict[str, Json]) -> None:
    """Raises LedgerError where a finished route was driven under other conditions, or is none of
    those that are asked for. routes: conditions by a route's name."""
    found: list[str] = []
    for name, entry in ledger.finished.items():
        if name not in routes:
            raise LedgerError(
                f"{ledger.path} has results of {name}, which is not among the routes to drive; "
                "resume with the same routes, or choose another --out"
            )
        if entry.conditions is not None:
            then = {**_run_of(ledger, entry), **entry.conditions}
            now = {**run, **routes[name]}
            found += [f"{one}" for one in differences(then, now) if f"{one}" not in found]
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise LedgerError(
            f"{ledger.path} holds routes that were driven under other conditions: "
            f"{'; '.join(found[:SHOWN])}{more}. Nothing was driven or replaced: go on with those, "
            "or choose another --out"
        )


def _run_of(ledger: Ledger, entry: Entry) -> Json:
    conditions = ledger.runs[entry.run].get("conditions", {})
    return dict(conditions) if isinstance(conditions, dict) else {}


def _agent_code(agent: Path) -> Json:
    """Hashes of the Python files that the agent is made of: those of its folder, and for agents of
    this repository those of the packages that they import."""
    folder = agent.resolve().parent
    if folder == REPOSITORY / "agent":
        packages = {name: digests(REPOSITORY / name, "*.py") for name in OWN_CODE}
        return {f"{name}/{file}": one for name in OWN_CODE for file, one in packages[name].items()}
    beside = {path.name: digests(path)[path.name] for path in sorted(folder.glob("*.py"))}
    return {agent.name: beside[agent.name], **beside}


def _config_files(agent: Path, config: str) -> Json:
    """Hashes of the files and folders that an agent's config names, the shipped checkpoint where it
    names none."""
    named = {Path(part) for part in (config, *PATH_ENDS.split(config)) if part and _exists(part)}
    if agent.resolve() == REPOSITORY / "agent" / "simlingo_agent.py":
        try:
            named.add(read_agent_settings(config).checkpoint)
        except (SettingsError, OSError):
            # The agent itself will say what is wrong.
            return {}
    return {path.name: digests(path) for path in sorted(named) if path.exists()}


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        # Too long for a name, or with a null byte: no file.
        return False


def _versions() -> Json:
    found: Json = {"python": platform.python_version()}
    for package in (*PACKAGES, "simlingo-carla"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found
