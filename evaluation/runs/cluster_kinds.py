"""Which machines a cluster is made of. Scheduling is dask's, queues are dask-jobqueue's."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluation.errors import UserError

PROJECT = Path(__file__).parents[2]
PACKAGES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "local": ("distributed",),
        "ssh": ("distributed", "asyncssh"),
        "slurm": ("distributed", "dask_jobqueue"),
    }
)
CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        # A worker's death is held against every task that it holds: it shall hold one, and the
        # first death is told, because the route is tried again by our own count.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.allowed-failures": 0,
        # A task that was begun elsewhere is not to be begun once more.
        "distributed.scheduler.work-stealing": False,
        # Nannies start workers as daemons otherwise, which may have no children.
        "distributed.worker.daemon": False,
        # Memory is the route's own process's, which dask does not see.
        "distributed.worker.memory.terminate": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        # On a busy machine a process takes long to import what it needs.
        "distributed.comm.timeouts.connect": "120s",
    }
)
LIFETIME_STAGGER = ("--lifetime-stagger", "2m")
"""Workers shall not all end at once."""
DEFAULT_MEMORY = "8GB"
ORPHAN_TIMEOUT = "10 minutes"
"""After so long without a task a scheduler ends, and its workers with it: it is a process of its
own and learns in no other way that this one was killed."""


class ClusterSettingsError(UserError, ValueError):
    """Settings of a cluster that cannot be; the message names the fix."""


@dataclass(frozen=True)
class ClusterSettings:
    """kind: local (processes of this machine), ssh or slurm; workers: at most, one route each;
    hosts: for ssh, the first one has the scheduler; options: for slurm, keywords of SLURMCluster.
    """

    kind: str
    workers: int
    hosts: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises ClusterSettingsError for what shows before anything is started."""
        missing = [name for name in PACKAGES[self.kind] if find_spec(name) is None]
        if missing:
            raise ClusterSettingsError(
                f"--cluster {self.kind} needs {', '.join(missing)}: "
                "python -m pip install -c constraints.txt -e '.[cluster]'"
            )
        if self.kind == "ssh" and not self.hosts:
            raise ClusterSettingsError("--cluster ssh needs --hosts HOST,HOST,...")
        if self.kind != "ssh" and self.hosts:
            raise ClusterSettingsError(f"--hosts are of --cluster ssh, not of {self.kind}")
        if self.kind != "slurm" and self.options:
            raise ClusterSettingsError(f"--job is of --cluster slurm, not of {self.kind}")
        # Without it jobs are "submitted" and nothing ever comes.
        if self.kind == "slurm" and shutil.which("sbatch") is None:
            raise ClusterSettingsError(
                "--cluster slurm: there is no sbatch on the PATH; start it on a login node"
            )


@contextmanager
def open_cluster(settings: ClusterSettings) -> Iterator[Any]:
    """A client of a cluster with workers; the cluster ends with the context."""
    import dask
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(dask.config.set(dict(CONFIG)))
        stack.enter_context(_environment())
        cluster = _KINDS[settings.kind](settings)
        stack.callback(_close, cluster)
        yield stack.enter_context(Client(cluster, set_as_default=False))


@contextmanager
def _environment() -> Iterator[None]:
    """What workers inherit: dask's settings, and where this project is."""
    from dask.config import global_config, serialize

    paths = [str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]
    ours = {
        "DASK_INTERNAL_INHERIT_CONFIG": serialize(global_config),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _local(settings: ClusterSettings) -> Any:
    from distributed.deploy.subprocess import SubprocessCluster

    return SubprocessCluster(
        n_workers=settings.workers,
        threads_per_worker=1,
        scheduler_kwargs={"dashboard": False, "idle_timeout": ORPHAN_TIMEOUT},
        worker_kwargs={"memory_limit": 0, "dashboard": False},
    )


def _ssh(settings: ClusterSettings) -> Any:
    from distributed import SSHCluster

    here = len(settings.hosts)
    hosts = [settings.hosts[number % here] for number in range(settings.workers)]
    return SSHCluster(
        [settings.hosts[0], *hosts],
        worker_options={"nthreads": 1, "memory_limit": 0, "dashboard": False},
        scheduler_options={"dashboard": False, "idle_timeout": ORPHAN_TIMEOUT},
        remote_python=sys.executable,
    )


def _slurm(settings: ClusterSettings) -> Any:
    from dask_jobqueue import SLURMCluster

    options: dict[str, Any] = {"cores": 1, "processes": 1, "memory": DEFAULT_MEMORY}
    options |= dict(settings.options)
    lifetime = options.pop("lifetime", None)
    names = ("DASK_INTERNAL_INHERIT_CONFIG", "PYTHONPATH")
    cluster = SLURMCluster(
        worker_extra_args=["--lifetime", lifetime, *LIFETIME_STAGGER] if lifetime else [],
        job_script_prologue=[f"export {name}={shlex.quote(os.environ[name])}" for name in names],
        **options,
    )
    # Workers that are gone when their time is over come again only by this, not by scale().
    cluster.adapt(maximum_jobs=settings.workers)
    return cluster


def _close(cluster: Any) -> None:
    try:
        cluster.close()
    except (AssertionError, OSError, TimeoutError):
        # As dask-jobqueue does when sbatch has refused, and others when the scheduler is gone.
        return


_KINDS = {"local": _local, "ssh": _ssh, "slurm": _slurm}
