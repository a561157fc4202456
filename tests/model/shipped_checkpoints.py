"""Records which weights a shipped checkpoint has, so that it is known to load in later versions.

python -m tests.model.shipped_checkpoints COMMIT     # every checkpoint in that commit
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from model.checkpoint import CONFIG_FILE, WEIGHTS_FILE

FOLDER = Path(__file__).parent / "shipped"
PLACE = "model/checkpoints/"
LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, then the header, in JSON."""


def describe(config: str, weights: bytes) -> dict[str, Any]:
    """Configuration, and type and shape of every weight by name."""
    length = int.from_bytes(weights[:LENGTH_BYTES], "little")
    header = json.loads(weights[LENGTH_BYTES : LENGTH_BYTES + length])
    header.pop("__metadata__", None)
    tensors = {name: [entry["dtype"], entry["shape"]] for name, entry in sorted(header.items())}
    return {"config": json.loads(config), "tensors": tensors}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    commit = parser.parse_args().commit
    for path in _git("ls-tree", "-r", "--name-only", commit, PLACE).decode().split():
        folder, _, name = path.rpartition("/")
        if name == WEIGHTS_FILE:
            config = _git("show", f"{commit}:{folder}/{CONFIG_FILE}").decode()
            _record(Path(folder).name, commit, describe(config, _git("show", f"{commit}:{path}")))


def _record(name: str, commit: str, found: dict[str, Any]) -> None:
    """Adds the commit to the file that describes the same checkpoint, or makes one."""
    files = sorted(FOLDER.glob(f"{name}_*.json"))
    number = len(files) + 1
    content = {"commits": [], **found}
    for at, file in enumerate(files, start=1):
        known = json.loads(file.read_text())
        if all(known[key] == found[key] for key in found):
            content, number = known, at
    content["commits"] = sorted(
        {*content["commits"], _git("rev-parse", "--short", commit).decode().strip()}
    )
    (FOLDER / f"{name}_{number}.json").write_text(_text(content))


def _text(content: dict[str, Any]) -> str:
    """JSON with a line for every weight."""
    tensors = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in content["tensors"].items()
    )
    head = "".join(
        f" {json.dumps(key)}: {json.dumps(content[key])},\n" for key in ("commits", "config")
    )
    return f'{{\n{head} "tensors": {{\n{tensors}\n }}\n}}\n'


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], stdout=subprocess.PIPE, check=True).stdout


if __name__ == "__main__":
    main()
