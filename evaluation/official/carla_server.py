"""`python -m evaluation.official.carla_server FOLDER OPTIONS...`: what the CarlaUE4.sh of
`evaluation.official.bench2drive` runs. OPTIONS are the ones that CARLA's own script takes.

The process becomes the server, and stays the one that the evaluator has started and may kill.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

COMMAND_FILE = "command.json"
SERVERS_FILE = "servers"
"""A line for each server that was started: its process group and its own process."""
PORT = re.compile(r"-{1,2}(?:carla-rpc-port|carla-port|world-port)=(\d+)", re.IGNORECASE)
CARLA_PORT = 2000


def server_command(command: list[str], options: list[str]) -> list[str]:
    """The command that serves on the port that is asked for.

    command: may hold `{port}`, and `{options}` as an argument of its own for all the options as
    they are. Options that only a renderer of CARLA's kind can heed are passed over.
    """
    ports = [int(found[1]) for found in map(PORT.fullmatch, options) if found]
    port = ports[-1] if ports else CARLA_PORT
    arguments: list[str] = []
    for argument in command:
        arguments += options if argument == "{options}" else [argument.replace("{port}", str(port))]
    return arguments


def main(arguments: list[str]) -> None:
    folder, *options = arguments
    command = json.loads((Path(folder) / COMMAND_FILE).read_text(encoding="utf-8"))
    # Evaluators put each server into a process group of its own.
    with (Path(folder) / SERVERS_FILE).open("a", encoding="utf-8") as servers:
        servers.write(f"{os.getpgrp()} {os.getpid()}\n")
    started = server_command(command, options)
    os.execv(started[0], started)


if __name__ == "__main__":
    main(sys.argv[1:])
