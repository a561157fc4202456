"""`python -m evaluation.servers.guard PARENT_PID N END... START...`: runs START, and ends it when
the parent dies. END, of N words, is run before, for what does not end with the process group.

A CARLA server is no child that could be asked to watch its parent, and its script starts it as a
grandchild.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

CHECK_S = 0.5


def main(arguments: list[str]) -> int:
    parent_pid, words = int(arguments[0]), int(arguments[1])
    ending, command = arguments[2 : 2 + words], arguments[2 + words :]
    # What was inherited is the lease on the ports: the server holds it on.
    with subprocess.Popen(command, close_fds=False) as child:
        while os.getppid() == parent_pid:
            code = child.poll()
            if code is not None:
                return code
            time.sleep(CHECK_S)
        if ending:
            subprocess.run(ending, capture_output=True, check=False)
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
