"""A policy that lives behind a policy server; this side imports neither torch nor the model."""

from __future__ import annotations

import time
from collections.abc import Sequence

import grpc
import numpy as np
from numpy.typing import NDArray

from agent.plan_source import Planned, PolicyUnavailableError
from agent.plan_stream import Deadline, LateAnswerError, PlanStream
from agent.policy_wire import (
    DESCRIBE,
    MESSAGE_OPTIONS,
    PLANS,
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
        self._open_stream = self._channel.stream_stream(f"/{SERVICE}/{PLANS}")
        self._stream: PlanStream | None = None
        try:
            self._holds = self._describe(first_answer_s)
            self.config = ModelConfig.from_json(self._holds.config)
        except BaseException:
            self._channel.close()
            raise
        self.cameras: tuple[CameraConfig, ...] = self.config.cameras
        self.runs_on = self._holds.runs_on
        self._deadline = Deadline(timeout_s)

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
            planned = unpack_planned(self._ask(pack_request(request)))
        except LateAnswerError as error:
            raise PolicyUnavailableError(self._is_late(self._timeout_s)) from error
        except StopIteration as error:
            raise PolicyUnavailableError(self._is_gone()) from error
        except grpc.RpcError as error:
            raise PolicyUnavailableError(self._complaint(error, self._timeout_s)) from error
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
        self._deadline.close()
        if self._stream is not None:
            self._stream.close()
        self._channel.close()

    def _ask(self, request: bytes) -> bytes:
        """Through the stream that is open, or a new one where the last has ended."""
        if self._stream is not None and not self._stream.is_open:
            self._stream.close()
            self._stream = None
        if self._stream is None:
            self._stream = PlanStream(self._open_stream, self._deadline)
        return self._stream.ask(request)

    def _describe(self, timeout_s: float) -> Description:
        ask = self._channel.unary_unary(f"/{SERVICE}/{DESCRIBE}")
        try:
            return unpack_description(ask(b"", timeout=timeout_s, wait_for_ready=True))
        except grpc.RpcError as error:
            raise PolicyUnavailableError(self._complaint(error, timeout_s)) from error
        except WireError as error:
            raise PolicyUnavailableError(f"policy server {self._address}: {error}") from error

    def _complaint(self, error: grpc.RpcError, timeout_s: float) -> str:
        code = error.code()
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            return self._is_gone()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self._is_late(timeout_s)
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return f"policy server {self._address} is not one of this program's version"
        return f"policy server {self._address}: {error.details()}"

    def _is_gone(self) -> str:
        where = f"policy server {self._address}"
        return f"{where} is not there; start it: python -m agent.policy_server"

    def _is_late(self, timeout_s: float) -> str:
        return f"policy server {self._address} has not answered within {timeout_s:g} s"
