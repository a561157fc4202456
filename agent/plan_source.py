"""Where plans come from: the network in this process, or a server that holds it elsewhere.

Nothing here imports torch: an agent whose policy lives elsewhere never needs the model's stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from model.config import CameraConfig, ModelConfig
from planner.records import EgoState, Plan, Target

if TYPE_CHECKING:
    from agent.settings import AgentSettings
    from model.latency import Latency

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]


INSTALL = "pip install 'simlingo-carla[server]'"


class PolicyUnavailableError(RuntimeError):
    """No plan in this tick, perhaps in the next; the message says what to look after."""


@dataclass(frozen=True)
class Planned:
    """A plan and what each stage of making it took."""

    plan: Plan
    stage_ms: Mapping[str, float]


class PlanSource(Protocol):
    """What a driving loop asks for plans; see `agent.policy.Policy`.

    Attributes:
        config: of the checkpoint.
        cameras: whose images it reads.
        runs_on: what computes, such as "onnx on cpu": another one rounds otherwise.
    """

    config: ModelConfig
    cameras: tuple[CameraConfig, ...]
    runs_on: str

    def plan(
        self,
        images: U8,
        speeds_mps: F64,
        ego: EgoState,
        targets: Sequence[Target],
        route_world_m: F64,
    ) -> Planned:
        """Plan for one tick; raises PolicyUnavailableError where none is to be had now."""
        ...

    def latency(self) -> dict[str, Latency]:
        """Figures by stage of the network."""
        ...

    def close(self) -> None:
        """Release what is held; may be called again."""
        ...


def open_plan_source(settings: AgentSettings) -> PlanSource:
    """The policy server that the settings name, or their checkpoint in this process."""
    if settings.policy:
        try:
            from agent.remote_policy import RemotePolicy
        except ImportError as error:
            raise PolicyUnavailableError(f"policy={settings.policy}: {error}; {INSTALL}") from error
        return RemotePolicy(settings.policy, settings.policy_timeout_s)
    from agent.policy import Policy

    return Policy(settings.checkpoint, settings.device, settings.threads, settings.backend)
