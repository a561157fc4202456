#!/usr/bin/env bash
# Client.map() and submit() of distributed take functions for pure, which the manual says in the
# line about pure: of equal calls only one is run. A driver that is evaluated three times on each
# route, to see how much its score varies, gets one drive of each and three equal scores: a
# variance of zero.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check distributed==2026.8.0 dask==2026.8.0
cat > show.py <<'PY'
import random
from pathlib import Path

from distributed import Client, LocalCluster, __version__

DRIVES = Path("drives.txt").absolute()


def drive(route: str) -> float:
    """Notes the drive in a file and gives its score, which is another each time."""
    with DRIVES.open("a") as notes:
        notes.write(f"{route}\n")
    return random.SystemRandom().random()


def scores(client: Client, **options: bool) -> tuple[int, int]:
    """How many drives and how many different scores two routes have that are given three times."""
    DRIVES.write_text("")
    found = client.gather(client.map(drive, ["town 1", "town 2"] * 3, **options))
    return len(DRIVES.read_text().splitlines()), len(set(found))


if __name__ == "__main__":
    print("distributed", __version__)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        with Client(cluster) as client:
            default, impure = scores(client), scores(client, pure=False)
    print("two routes, three times each: drives and different scores", default)
    print("the same with pure=False:                                ", impure)
    print("expected: (6, 6) twice.")
    assert default == (2, 2), default
    assert impure == (6, 6), impure
PY
venv/bin/python show.py
