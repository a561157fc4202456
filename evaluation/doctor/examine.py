"""All checks in turn, none of which ends the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evaluation.doctor import machine, task
from evaluation.doctor.finding import Check, Finding, Plan
from evaluation.errors import UserError

CHECKS: Mapping[str, Check] = {
    "python": machine.check_python,
    "carla wheel": machine.check_wheel,
    "namesakes": machine.check_namesakes,
    "server": task.check_server,
    "evaluator": task.check_evaluator,
    "routes": task.check_routes,
    "ports": machine.check_ports,
    "renderer": machine.check_renderer,
    "torch": machine.check_torch,
    "checkpoint": task.check_checkpoint,
    "rig": task.check_rig,
    "disk": machine.check_disk,
}


def examine(plan: Plan, checks: Mapping[str, Check] = CHECKS) -> Iterator[Finding]:
    """One finding a check, as soon as it is made."""
    for name, check in checks.items():
        yield _guarded(name, check, plan)


def _guarded(name: str, check: Check, plan: Plan) -> Finding:
    try:
        return check(plan)
    except (UserError, ValueError) as error:
        # Such messages say what is wrong and, behind a semicolon, what to do.
        text, _, fix = str(error).partition("; ")
        return Finding(name, "wrong", text, fix)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is reported
        text = f"the check failed: {type(error).__name__}: {error}"
        return Finding(name, "wrong", text, "try once more; if it stays so, report this line")
