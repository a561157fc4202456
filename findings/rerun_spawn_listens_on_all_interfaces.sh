#!/usr/bin/env bash
# rerun.spawn() opens a viewer for this process: it connects to it at 127.0.0.1. The viewer listens
# to the whole network nevertheless, and anybody can log into it; spawn has no parameter for that.
# Without a display the viewer ends at once, but only after it has begun to listen, and says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rerun-sdk==0.41.0
cat > show.py <<'PY'
import inspect
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import rerun

SPAWN = """
import rerun
rerun.init("finding")
rerun.spawn(port=0, connect=False, hide_welcome_screen=True)
"""
quiet = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
quiet["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
done = subprocess.run(
    [sys.executable, "-c", SPAWN], env=quiet, capture_output=True, text=True, timeout=120
)
said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
listens = re.findall(r"Listening for gRPC connections on (\S+):\d+", said)
print("rerun-sdk", version("rerun-sdk"))
print("the viewer of rerun.spawn() listens on", listens)
print("its parameters:", *inspect.signature(rerun.spawn).parameters)
print("expected: 127.0.0.1, or a parameter that says where.")
assert listens == ["0.0.0.0"], said
assert not {"bind", "host", "ip"} & set(inspect.signature(rerun.spawn).parameters)
PY
venv/bin/python show.py
