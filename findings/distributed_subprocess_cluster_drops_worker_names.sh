#!/usr/bin/env bash
# distributed's SubprocessCluster calls its workers 0, 1, ... as LocalCluster does, but the name never
# reaches them: SubprocessWorker takes `name` and leaves it out of the command that it starts, so that
# each worker is called by its address. Who tells workers apart by name (which GPU, which port, a
# folder for its logs) has an address with slashes in place of a number.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0
cat > show.py <<'PY'
from distributed import Client, LocalCluster, __version__
from distributed.deploy.subprocess import SubprocessCluster

OPTIONS = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}


def names(kind: type) -> tuple[list[object], list[object]]:
    """What the cluster calls its workers, and what they are called."""
    with kind(**OPTIONS) as cluster, Client(cluster) as client:
        client.wait_for_workers(2)
        found = client.scheduler_info(n_workers=-1)["workers"].values()
        return list(cluster.worker_spec), sorted(str(one["name"]) for one in found)


if __name__ == "__main__":
    print("distributed", __version__)
    local, subprocess = names(LocalCluster), names(SubprocessCluster)
    print(f"LocalCluster: workers {local[0]} are called {local[1]}")
    print(f"SubprocessCluster: workers {subprocess[0]} are called {subprocess[1]}")
    print("expected: the same names for both")
    assert local == ([0, 1], ["0", "1"]), local
    assert subprocess[0] == [0, 1] and all("tcp://" in one for one in subprocess[1]), subprocess
PY
venv/bin/python show.py
