#!/usr/bin/env bash
# dask_jobqueue.SLURMCluster on a machine without SLURM: making the cluster, scale() and a Client
# succeed, the status is "running", and a result is waited for without end, since the missing
# sbatch is an error in the log of a background task only. The same holds for a queue that refuses
# the job. Client.wait_for_workers() with a timeout before the first submit() finds it out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  dask-jobqueue==0.9.0 distributed==2026.8.0 dask==2026.8.0
cat > show.py <<'PY'
import logging
import os
import time
from contextlib import suppress
from importlib.metadata import version

from dask_jobqueue import SLURMCluster
from distributed import Client
from distributed.core import Status

# No sbatch anywhere, and no log.
os.environ["PATH"] = os.getcwd()
logging.disable(logging.CRITICAL)

if __name__ == "__main__":
    cluster = SLURMCluster(
        cores=1, memory="1GB", interface="lo", scheduler_options={"dashboard_address": ":0"}
    )
    answer = cluster.scale(2)
    client = Client(cluster)
    future = client.submit(abs, -1)
    time.sleep(5)
    status, asked = cluster.status, len(cluster.worker_spec)
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    print("dask-jobqueue", version("dask-jobqueue"), "distributed", version("distributed"))
    print("5 s after scale(2), which returned", answer, "and submit():")
    print(f"status {status.name}; workers: {asked} wanted, {workers} there; task {future.status}")
    print("expected: an error of scale() or of the Client that names sbatch.")
    assert answer is None
    assert status == Status.running
    assert (asked, workers, future.status) == (2, 0, "pending")
    client.close()
    # A cluster whose workers could not be started may fail in its close() as well.
    with suppress(AssertionError):
        cluster.close()
PY
venv/bin/python show.py
