#!/usr/bin/env bash
# carla-driver-interface: build_server() raises "failed to bind" for a port that is taken, but on
# Linux never where the other one is a policy server too: gRPC shares the port, and each new
# connection gets one of the two policies. A server left over from yesterday drives half the
# routes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  carla-driver-interface==2.3.1 grpcio==1.85.3
cat > show.py <<'PY'
from importlib.metadata import version

import grpc
from carla_driver_interface.contract import negotiate
from carla_driver_interface.policies.constant_speed import ConstantSpeedPolicy
from carla_driver_interface.protocol import EgodriverServiceStub
from carla_driver_interface.server import serving


class Yesterday(ConstantSpeedPolicy):
    name = "yesterday"


class Today(ConstantSpeedPolicy):
    name = "today"


def policy(port: int) -> str:
    """Name of the policy that answers a new connection."""
    # Without the option the channels of one process share a connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        answer, _ = negotiate(EgodriverServiceStub(channel), timeout=10.0)
    return answer.version_id.split("-")[0]


with serving(Yesterday(), port=0, host="127.0.0.1") as port:
    with serving(Today(), port=port, host="127.0.0.1") as second:
        answers = [policy(port) for _ in range(60)]
print("carla-driver-interface", version("carla-driver-interface"), "grpcio", version("grpcio"))
print("the second server was given the taken port:", second == port)
print("60 connections, answered by:", {name: answers.count(name) for name in sorted(set(answers))})
print("expected: RuntimeError: failed to bind, at the start of the second server.")
assert second == port
assert set(answers) == {"yesterday", "today"}, answers
PY
venv/bin/python show.py
