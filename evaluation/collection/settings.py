"""What a collection was asked to do, and what of it decides how a drive comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from agent.rig import RigError, load_rig, rig_to_plain
from agent.settings import ExpertSettings, SettingsError, read_expert_settings
from evaluation.closed_loop.debug_session import DebugSession
from evaluation.errors import UserError
from evaluation.routes.route import Route
from evaluation.routes.towns import name_of
from evaluation.runs.cluster_kinds import ClusterSettings
from evaluation.runs.job import Json
from model.conditions import differences, digests, text_digest

OWN_KEYS = ("record", "split", "group", "scenario", "town", "route", "driver", "seed")
"""Settings of the expert that come from the options of `collect`, its routes and towns."""
NOT_COMPARED = (*OWN_KEYS, "rig", "cameras", "save_name")
"""Settings of the expert that leave the frames as they are, or are compared in another form."""
RESERVED = ",+"
"""Characters that end a value in the text that the expert is given."""


class CollectError(UserError, ValueError):
    """Settings or a dataset that cannot be used; the message names what is wrong."""


@dataclass(frozen=True)
class CollectSettings:
    """What `collect` was asked to do; see its --help for the meaning of each."""

    out: Path
    towns: tuple[str, ...] = ("generated:1",)
    routes: Path | None = None
    count: int = 20
    length_m: float = 400.0
    jobs: int = 2
    traffic: int = 0
    seed: int = 0
    varied_routes: bool = False
    varied_weather: bool = False
    varied_lights: bool = False
    split: str = "training"
    group: str = "routes"
    scenario: str = "lane_following"
    expert: str = ""
    driver: Path | None = None
    towns_folder: Path | None = None
    timeout_s: float = 30.0
    debug: DebugSession = field(default_factory=DebugSession)
    cluster: ClusterSettings | None = None

    @property
    def logs(self) -> Path:
        """Folder of what simulators and failures leave behind."""
        return self.out / "logs"

    def drive_name(self, route: Route) -> str:
        """The drive's folder below `<out>/data/simlingo`, which no other drive of it has."""
        return f"{self.split}/{self.group}/{self.scenario}/{route.town}_{route.route_id}"

    def drive_folder(self, route: Route) -> Path:
        """Where the recorder puts the route's frames."""
        return self.out / "data" / "simlingo" / self.drive_name(route)

    def expert_config(self, route: Route) -> str:
        """The expert's config string for one route."""
        text = ",".join(f"{key}={value}" for key, value in self._own_pairs(route).items())
        return f"{text},{self.expert}" if self.expert else text

    def check(self) -> None:
        """Raises CollectError unless the expert understands what it will be told."""
        if self.cluster is not None:
            self.cluster.check()
        if self.driver is not None:
            _require_checkpoint(self.driver)
        for item in self.expert.split(","):
            key = item.partition("=")[0].strip()
            if key in OWN_KEYS:
                raise CollectError(
                    f"--expert {item.strip()}: collect sets {key} itself, from its other arguments"
                )
        if "+" in self.expert:
            raise CollectError(f"--expert {self.expert}: a '+' would end the settings")
        try:
            # A pair before it, as there will be: the name of a file is not one of the settings.
            load_rig(read_expert_settings(f"seed=0,{self.expert}" if self.expert else "").rig)
        except (SettingsError, RigError) as error:
            raise CollectError(f"--expert {self.expert}: {error}") from error

    def expert_settings(self, route: Route) -> ExpertSettings:
        """What the expert reads from its config string, after `check`; CollectError when a path or
        a name would be misread."""
        for key, value in self._own_pairs(route).items():
            text = str(value)
            if text.strip() != text or set(text) & set(RESERVED):
                raise CollectError(
                    f"{key} {text!r}: neither blanks at its ends nor any of {' '.join(RESERVED)} "
                    "can be passed to the expert"
                )
        return read_expert_settings(self.expert_config(route))

    def conditions(self, route: Route) -> Json:
        """Everything but the program itself that decides how the drive comes out, as JSON gives it
        back. `drawn_by` says how a random route was drawn, to explain other waypoints."""
        expert = self.expert_settings(route)
        weathers = () if self.varied_weather else route.weathers
        plain = {
            "options": {
                "seed": self.seed,
                "traffic": self.traffic,
                "varied-weather": self.varied_weather,
                "varied-lights": self.varied_lights,
                "driver": self._driver(),
            },
            "expert": {k: v for k, v in asdict(expert).items() if k not in NOT_COMPARED},
            "rig": expert.rig,
            "cameras": rig_to_plain(load_rig(expert.rig)),
            "weathers": [asdict(point) for point in weathers],
            # As many digits as a route file has.
            "waypoints_m": [[round(v, 2) for v in point] for point in route.positions_world_m],
            "drawn_by": self._drawn_by(route),
        }
        content: Json = json.loads(json.dumps(plain))
        return content

    def _own_pairs(self, route: Route) -> Mapping[str, object]:
        return {
            "record": self.out,
            "split": self.split,
            "group": self.group,
            "scenario": self.scenario,
            "town": route.town,
            "route": route.route_id,
            **({} if self.driver is None else {"driver": self.driver}),
            "seed": self.seed + number_of(route),
        }

    def _driver(self) -> str:
        """Who drives: the expert, or the weights of a checkpoint, wherever that lies."""
        if self.driver is None:
            return "expert"
        return text_digest(repr(sorted(digests(self.driver).items())))

    def _drawn_by(self, route: Route) -> Json:
        if self.routes is not None:
            return {"--routes": str(self.routes)}
        names = [name_of(spec) for spec in self.towns]
        return {
            "--routes": None,
            "--length": self.length_m,
            "--count": self.count,
            "--varied-routes": self.varied_routes,
            "place in --towns": names.index(route.town) + 1 if route.town in names else None,
        }


def _require_checkpoint(folder: Path) -> None:
    # Imported here because it brings torch, which a worker of the expert does without.
    from model.checkpoint import CheckpointError, load_config

    try:
        load_config(folder)
    except CheckpointError as error:
        raise CollectError(f"--driver {folder}: {error}") from error


def number_of(route: Route) -> int:
    """A number of a route that is the same in every process, unlike `hash`."""
    seeds = np.frombuffer(f"{route.town}/{route.route_id}".encode(), dtype=np.uint8)
    return int(np.random.SeedSequence(seeds.tolist()).generate_state(1)[0] % 100_000)


def changes(then: Json, now: Json) -> list[str]:
    """How the conditions of two drives differ, in the words of the command line; [] if they do not.
    Settings that only one of them knows do not count: the program has learned them since. Drives
    from before there were other drivers were the expert's."""
    then = {**then, "options": {"driver": "expert", **then.get("options", {})}}
    found = [*_changed(then, now, "options", "--"), *_changed(then, now, "expert", "--expert ")]
    cameras: list[Json] = now["cameras"]
    before: list[Json] = then.get("cameras") or cameras
    pairs = zip(before, cameras, strict=False)
    if len(before) != len(cameras) or any(differences(*pair, strict=False) for pair in pairs):
        found.append(f"--expert rig was {then.get('rig', 'another')}, is {now['rig']}")
    if then.get("weathers", now["weathers"]) != now["weathers"]:
        found.append("another weather")
    if then.get("waypoints_m", now["waypoints_m"]) != now["waypoints_m"]:
        why = ", ".join(_changed(then, now, "drawn_by", ""))
        found.append(f"other waypoints ({why})" if why else "other waypoints")
    return found


def _changed(then: Json, now: Json, group: str, prefix: str) -> list[str]:
    found = differences(then.get(group, {}), now.get(group, {}), strict=False)
    return [f"{prefix}{one}" for one in found]
