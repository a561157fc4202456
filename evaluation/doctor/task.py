"""Checks of what shall be run: simulator, evaluator, routes, agent."""

from __future__ import annotations

from importlib.metadata import version

from evaluation.doctor.finding import Finding, Plan, ok
from evaluation.doctor.machine import GNSS

SERVER_TIMEOUT_S = 5.0
ROOT_VARIABLES = ("LEADERBOARD_ROOT", "SCENARIO_RUNNER_ROOT", "BENCH2DRIVE_ROOT")
TOWNS_ADVICE = (
    "give the folder of its .xodr file with --towns DIR, here and to the run; CARLA has them in "
    "CarlaUE4/Content/Carla/Maps/OpenDrive"
)
OTHER_CHECKPOINT = (
    "give the folder of a checkpoint of this version with --agent-config; those of SimLingo are "
    "imported with `python -m model.upstream`"
)


def check_server(plan: Plan) -> Finding:
    if plan.simulator is None:
        return ok("server", "embedded: always of the wheel's version")
    import carla

    from evaluation.servers.session import parse_address

    host, port = parse_address(plan.simulator)
    try:
        client = carla.Client(host, port)
        client.set_timeout(SERVER_TIMEOUT_S)
        running = str(client.get_server_version())
    except RuntimeError as error:
        return Finding(
            "server",
            "wrong",
            f"nobody answers at {host}:{port} ({error})",
            "start CARLA there, wait until it has loaded its map, and see that the port is open",
        )
    wheel = version("carla")
    # Builds from source add a commit to the version.
    release = running.partition("-")[0]
    if release == wheel:
        return ok("server", f"{running} at {host}:{port}, as the wheel")
    return Finding(
        "server",
        "wrong",
        f"{running} at {host}:{port}, but the wheel is {wheel}: messages differ, and so may the "
        f"sign of the latitude ({GNSS.get(release, 'not supported')})",
        f"python -m pip install carla=={release}"
        if release in GNSS
        else f"start CARLA {' or '.join(GNSS)}",
    )


def check_evaluator(plan: Plan) -> Finding:
    """The checkouts fit each other, and everything that they import is there."""
    from evaluation.official.checkouts import find_checkouts
    from evaluation.official.installation import require_packages
    from evaluation.official.setup_check import import_fault

    if not _asks_for_evaluator(plan):
        return ok("evaluator", "no official one is asked for")
    checkouts = find_checkouts(plan.roots, plan.environment, plan.evaluator)
    require_packages(checkouts.evaluator)
    fault = import_fault(checkouts)
    if fault is None:
        return ok("evaluator", f"{checkouts.evaluator} with its scenario_runner imports")
    return Finding(
        "evaluator",
        "wrong",
        f"{checkouts.evaluator} cannot be imported: {fault}",
        "make leaderboard-environment; then `python -m evaluation leaderboard --setup DIR`",
    )


def _asks_for_evaluator(plan: Plan) -> bool:
    from evaluation.official.checkouts import Roots

    return plan.roots != Roots() or any(map(plan.environment.get, ROOT_VARIABLES))


def check_routes(plan: Plan) -> Finding:
    """Every map of the route file is to be had where it shall be driven."""
    from evaluation.official.before_start import require_towns_of_server, town_to_start
    from evaluation.routes.route import RouteFileError
    from evaluation.routes.route_file import read_routes
    from evaluation.servers.session import parse_address

    if plan.routes is None:
        return ok("routes", "no file is asked for; --routes FILE looks for its maps")
    routes = read_routes(plan.routes)
    if plan.simulator is None:
        try:
            town_to_start(routes, None, plan.towns_folder)
        except RouteFileError as error:
            return Finding("routes", "wrong", str(error).partition("; ")[0], TOWNS_ADVICE)
    else:
        require_towns_of_server(*parse_address(plan.simulator), routes)
    towns = ", ".join(sorted({route.town for route in routes}))
    return ok("routes", f"{len(routes)} in {towns}: all maps are there")


def check_checkpoint(plan: Plan) -> Finding:
    """The weights fit this version's network, and the device is there."""
    from agent.settings import read_agent_settings
    from model.checkpoint import CheckpointError, load_checkpoint
    from model.runtime import DeviceError, find_device

    settings = read_agent_settings(plan.agent_config)
    try:
        model = load_checkpoint(settings.checkpoint)
    except CheckpointError as error:
        return Finding("checkpoint", "wrong", str(error), OTHER_CHECKPOINT)
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    try:
        device = find_device(settings.device)
    except DeviceError as error:
        return Finding("checkpoint", "wrong", str(error), "give device=auto with --agent-config")
    return ok("checkpoint", f"{settings.checkpoint}: {millions:.1f} M parameters, for {device}")


def check_rig(plan: Plan) -> Finding:
    """The agent's sensors are such as the leaderboard takes: by its published limits, and by the
    validation in the checkout that is given."""
    from agent import rig
    from agent.settings import read_agent_settings
    from evaluation.closed_loop.sensor_interface import SensorSpecError, check_specs
    from evaluation.official.checkouts import find_checkouts
    from evaluation.official.setup_check import rig_fault
    from model.checkpoint import CheckpointError, load_config

    try:
        cameras = load_config(read_agent_settings(plan.agent_config).checkpoint).cameras
    except CheckpointError:
        text = "not known, because the checkpoint's configuration cannot be read"
        return Finding("rig", "wrong", text, OTHER_CHECKPOINT)
    specs = [*rig.camera_specs(cameras), *rig.state_specs()]
    fix = "train with a rig within the limits: the leaderboard refuses this one"
    try:
        rig.check_rig(cameras)
        check_specs(specs, "SENSORS")
    except (rig.RigError, SensorSpecError) as error:
        return Finding("rig", "wrong", str(error), fix)
    text = f"{len(specs)} sensors, {len(cameras)} of them cameras, within the limits"
    if not _asks_for_evaluator(plan):
        return ok("rig", text)
    checkouts = find_checkouts(plan.roots, plan.environment, plan.evaluator)
    fault = rig_fault(checkouts, specs)
    if fault is None:
        return ok("rig", f"{text}, says {checkouts.evaluator}'s own validation")
    return Finding("rig", "wrong", f"{checkouts.evaluator} refuses it: {fault}", fix)
