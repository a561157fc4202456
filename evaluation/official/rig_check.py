"""`python -m evaluation.official.rig_check`: asks a checkout's own validation about a rig.

Reads the sensor specs of an agent on the SENSORS track from standard input, as JSON; ends with 1
and one line where the evaluator would refuse them. To be run with the evaluator's environment, see
`evaluation.official.leaderboard`.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings

from evaluation.official.compatibility import install

TRACK = "SENSORS"


def main() -> int:
    install()
    warnings.simplefilter("ignore")
    specs = json.load(sys.stdin)
    track = importlib.import_module("leaderboard.autoagents.autonomous_agent").Track(TRACK)
    wrapper = importlib.import_module("leaderboard.autoagents.agent_wrapper")
    try:
        wrapper.validate_sensor_configuration(specs, track, TRACK)
    except Exception as error:  # noqa: BLE001  # whatever it is, the evaluator would end the route
        print(str(error).partition("\n")[0])
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
