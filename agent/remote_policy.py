"""A policy that lives behind a policy server; this side imports neither torch nor the model."""

from __future__ import annotations

import time
from collections.abc import Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from agent.plan_source import Planned, PolicyUnavailableError
from agent.policy_wire import (
    DESCRIBE,
    MESSAGE_OPTIONS,
    PLAN,
    SERVICE,
    Description,
    PlanRequest,
    WireError,
    pack_request,
    parse_address,
    unpack_description,
    unpack_planned,
)
from model.config import CameraConfig, ModelConfig
from model.latency import Latency, LatencyLog
from planner.records import EgoState, Target

FIRST_ANSWER_S = 30.0
"""A server that was started together with the agent may still be loading its checkpoint."""
OPTIONS = (
    *MESSAGE_OPTIONS,
    # A server that comes back is found again within a second, not within gRPC's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class RemotePolicy:
    """Asks a policy server for plans.

    Args:
        address: as `agent.policy_wire.parse_address` takes it; raises WireError.
        timeout_s: how long one plan may take; later ones are of no use to a car.
        first_answer_s: how long to wait for the server at the start; raises
            PolicyUnavailableError.
    """

    def __init__(
        self, address: str, timeout_s: float, first_answer_s: float = FIRST_ANSWER_S
    ) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._latency = LatencyLog()
        self._channel = grpc.insecure_channel(parse_address(address), options=OPTIONS)
        self._ask_plan = self._channel.unary_unary(f"/{SERVICE}/{PLAN}")
        try:
            self._holds = self._describe(first_answer_s)
            self.config = ModelConfig.from_json(self._holds.config)
        except BaseException:
            self._channel.close()
            raise
        self.cameras: tuple[CameraConfig, ...] = self.config.cameras

    def plan(
        self,
        images: NDArray[np.uint8],
        speeds_mps: NDArray[np.float64],
        ego: EgoState,
        targets: Sequence[Target],
        route_world_m: NDArray[np.float64],
    ) -> Planned:
        """As `agent.policy.Policy.plan`; raises PolicyUnavailableError where no plan came."""
        request = PlanRequest(
            images, speeds_mps, ego, tuple(targets), route_world_m, self._holds.checkpoint
        )
        started_s = time.perf_counter()
        try:
            answer = self._ask_plan(pack_request(request), timeout=self._timeout_s)
            planned = unpack_planned(answer)
        except grpc.RpcError as error:
            raise PolicyUnavailableError(self._complaint(error)) from error
        except WireError as error:
            raise PolicyUnavailableError(f"policy server {self._address}: {error}") from error
        model_ms = planned.stage_ms.get("model", 0.0)
        stages = {name: ms for name, ms in planned.stage_ms.items() if name != "model"}
        wire_ms = 1e3 * (time.perf_counter() - started_s) - model_ms
        self._latency.add({**stages, "wire": wire_ms})
        return Planned(planned.plan, {**planned.stage_ms, "wire": wire_ms})

    def latency(self) -> dict[str, Latency]:
        """Figures by stage of the network, and of the way to it and back ("wire")."""
        return self._latency.summary()

    def close(self) -> None:
        """Hang up; may be called again."""
        self._channel.close()

    def _describe(self, timeout_s: float) -> Description:
        ask = self._channel.unary_unary(f"/{SERVICE}/{DESCRIBE}")
        try:
            return unpack_description(ask(b"", timeout=timeout_s, wait_for_ready=True))
        except grpc.RpcError as error:
            raise PolicyUnavailableError(self._complaint(error)) from error
        except WireError as error:
            raise PolicyUnavailableError(f"policy server {self._address}: {error}") from error

    def _complaint(self, error: grpc.RpcError) -> str:
        code = error.code()
        where = f"policy server {self._address}"
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return f"{where} is not there; start it: python -m agent.policy_server"
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"{where} has not answered within {self._timeout_s:g} s"
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return f"{where} is not one of this program's"
        return f"{where}: {error.details()}"
