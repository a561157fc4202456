#!/usr/bin/env bash
# rerun.spawn() is documented as the easiest way to use Rerun, to be called once at the start of the
# program. Before rerun.init() it opens no viewer: it warns that Rerun is disabled, which nobody did,
# and returns as if all were well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rerun-sdk==0.41.0
cat > show.py <<'PY'
import logging
import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import rerun

# The viewer's program is found.
os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
said: list[str] = []
handler = logging.Handler()
handler.emit = lambda record: said.append(record.getMessage())
logging.getLogger().addHandler(handler)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]

answer = rerun.spawn(port=port, connect=False)
with socket.socket() as probe:
    listens = probe.connect_ex(("127.0.0.1", port)) == 0
print("rerun-sdk", version("rerun-sdk"))
print("documented:", *[line.strip() for line in rerun.spawn.__doc__.splitlines() if "once" in line])
print("spawn() before init(): returns", answer, "and says", said, "; a viewer listens:", listens)
print("expected: a viewer, or an error that names rerun.init.")
assert "Just call this once at the start of your program" in rerun.spawn.__doc__
assert answer is None
assert not listens
assert said == ["Rerun is disabled - spawn() call ignored."], said
PY
venv/bin/python show.py
