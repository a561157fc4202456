"""Leases on ports: nobody else gets them, whatever becomes of who took them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.servers.ports import PortInUseError, is_free, lease_ports, wait_until_free

PROJECT = Path(__file__).parents[3]
TAKE = (
    "import sys; from evaluation.servers.ports import lease_ports; lease_ports(1, int(sys.argv[1]))"
)


def test_leased_ports_are_nobody_elses() -> None:
    with lease_ports(3) as lease, lease_ports(3) as other:
        assert not {*range(lease.port, lease.port + 3)} & {*range(other.port, other.port + 3)}
        assert all(is_free(lease.port + offset) for offset in range(3))
        taken = subprocess.run(
            [sys.executable, "-c", TAKE, str(lease.port + 2)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"port {lease.port + 2} is another run's" in taken.stderr
    with lease_ports(3, lease.port) as again:
        assert again.port == lease.port


def test_a_port_that_somebody_listens_on_is_not_leased() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} .*in use; free is for instance"):
            lease_ports(1, port)
        with pytest.raises(PortInUseError, match=f"port {port}"):
            wait_until_free(port, 1, patience_s=0.2)
    wait_until_free(port, 1, patience_s=0.2)
    lease_ports(1, port).close()
