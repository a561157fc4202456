"""A checkpoint behind a socket: python -m agent.policy_server --checkpoint X --address unix:PATH

One gRPC server with two faces. `simlingo.Policy` (agent/policy_wire.py) is for this program's own
agent: `policy=ADDRESS` in its config, and it drives as if the network were in its process.
`egodriver` is AlpaSim's contract, for other worlds (agent/egodriver.py).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from agent.plan_source import INSTALL, Planned
from agent.policy import Policy
from agent.policy_wire import (
    DESCRIBE,
    MESSAGE_OPTIONS,
    PLANS,
    SERVICE,
    UNIX,
    Description,
    PlanRequest,
    WireError,
    pack_description,
    pack_planned,
    parse_address,
    unpack_request,
)
from agent.settings import DEFAULT_CHECKPOINT
from model.batch import InputError
from model.checkpoint import CheckpointError
from model.conditions import digests, text_digest
from model.runtime import DeviceError

try:
    import grpc
except ImportError as error:
    raise SystemExit(f"{error}; {INSTALL}") from error

logger = logging.getLogger(__name__)

CALLERS = 64
"""Agents at a time, each of which keeps a call open; the network computes for one after another."""
GRACE_S = 1.0


class AddressError(ValueError):
    """An address that cannot be served on; the message says why."""


class SharedPolicy:
    """One policy for all callers, who take turns."""

    def __init__(self, policy: Policy, checkpoint: Path) -> None:
        digest = text_digest(repr(sorted(digests(checkpoint).items())))
        self.description = Description(policy.config.to_json(), digest, policy.runs_on)
        self.policy = policy
        self._turn = threading.Lock()

    def plan(self, request: PlanRequest) -> Planned:
        """Raises WireError or InputError for what the network cannot read."""
        if request.checkpoint != self.description.checkpoint:
            raise WireError("this server holds another checkpoint now; set the agent up again")
        ego = request.ego
        given = (ego.position_world_m, ego.yaw_rad, ego.speed_mps, request.route_world_m)
        if not all(np.isfinite(one).all() for one in given) or not request.targets:
            raise WireError("plan request: expected finite numbers and at least one target")
        if len(request.images) != self.policy.config.hist_len:
            raise WireError(
                f"plan request: expected images of {self.policy.config.hist_len} moments, got "
                f"{len(request.images)}"
            )
        with self._turn:
            return self.policy.plan(
                request.images, request.speeds_mps, ego, request.targets, request.route_world_m
            )


def open_server(shared: SharedPolicy, address: str) -> tuple[grpc.Server, str]:
    """A started server, and the address at which it is reached (port 0 has become one).

    Raises AddressError where somebody serves there already: gRPC would let both bind, and share the
    callers out between them.
    """
    from agent.egodriver import add_egodriver

    wanted = parse_address(address)
    _require_free(wanted)
    server = grpc.server(
        futures.ThreadPoolExecutor(CALLERS),
        options=(*MESSAGE_OPTIONS, ("grpc.so_reuseport", 0)),
    )
    methods = {
        DESCRIBE: _method(lambda _: pack_description(shared.description)),
        PLANS: _stream(lambda data: pack_planned(shared.plan(unpack_request(data)))),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    add_egodriver(server, shared)
    try:
        port = server.add_insecure_port(wanted)
    except RuntimeError as error:
        raise AddressError(f"{wanted}: cannot be served on; choose another --address") from error
    server.start()
    reached = wanted if wanted.startswith(UNIX) else f"{wanted.rpartition(':')[0]}:{port}"
    return server, reached


def _method(answer: Callable[[bytes], bytes]) -> grpc.RpcMethodHandler:
    def handle(data: bytes, context: grpc.ServicerContext) -> bytes:
        with _refusing(context):
            return answer(data)

    return grpc.unary_unary_rpc_method_handler(handle)


def _stream(answer: Callable[[bytes], bytes]) -> grpc.RpcMethodHandler:
    """An answer for each message; what cannot be answered ends the stream."""

    def handle(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for data in requests:
            with _refusing(context):
                yield answer(data)

    return grpc.stream_stream_rpc_method_handler(handle)


@contextmanager
def _refusing(context: grpc.ServicerContext) -> Iterator[None]:
    try:
        yield
    except (WireError, InputError, ValueError) as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error).splitlines()[0])


def _require_free(address: str) -> None:
    """A socket file that nobody listens at is no obstacle: gRPC replaces it."""
    if address.startswith(UNIX):
        path = address[len(UNIX) :]
        path = path[2:] if path.startswith("//") else path
        family, place = socket.AF_UNIX, path
        if not os.path.isdir(os.path.dirname(path) or "."):
            raise AddressError(f"{address}: there is no folder for the socket; make it first")
    else:
        host, _, port = address.rpartition(":")
        if port == "0":
            return
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        place = (host.strip("[]"), int(port))  # type: ignore[assignment]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            answered = probe.connect_ex(place) == 0
        except OSError as error:
            raise AddressError(f"{address}: {error}; choose another --address") from error
    if answered:
        raise AddressError(f"{address}: somebody serves there already; end it, or choose another")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m agent.policy_server", description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT, metavar="DIR")
    parser.add_argument(
        "--address",
        required=True,
        metavar="unix:PATH|HOST:PORT",
        help="a PORT alone is served to this machine only",
    )
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU")
    parsed = parser.parse_args() if arguments is None else parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        parse_address(parsed.address)
        _require_free(parse_address(parsed.address))
        policy = Policy(parsed.checkpoint, parsed.device, parsed.threads)
        server, reached = open_server(SharedPolicy(policy, parsed.checkpoint), parsed.address)
    except (AddressError, WireError, CheckpointError, DeviceError) as error:
        print(error, file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"{error}; {INSTALL}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(f"{parsed.checkpoint}, {policy.runs_on}, serves at {reached}", flush=True)
    stop.wait()
    server.stop(GRACE_S).wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
