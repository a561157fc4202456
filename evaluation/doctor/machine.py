"""Checks of the machine and of what is installed on it."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from evaluation.doctor.finding import Finding, Level, Plan, ok

PYTHONS = ((3, 10), (3, 13))
"""First version that does and first that does not fit, as python_requires in setup.cfg."""
GNSS = {
    "0.9.15": "GNSS latitude falls along +y",
    "0.9.16": "GNSS latitude grows along +y, other than in 0.9.15",
}
"""Supported versions of CARLA, and what differs silently (`evaluation.simulator.wire.dialect`)."""
NAMESAKES = ("leaderboard", "scenario-runner")
"""Packages of PyPI that have nothing to do with CARLA's repositories of these names."""
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
GIB = 2**30
FREE_GPU_BYTES = 4 * GIB
"""BASE's 365 M parameters in fp32 take 1.4 GiB; the rest is for activations and CUDA itself."""
LEAST_FREE_BYTES = 1 * GIB
AMPLE_FREE_BYTES = 10 * GIB
"""Chosen: below the first a ledger and its videos are at risk, below the second a data set."""
CARLA_PORTS = {"simulator": (2000, 2), "traffic manager": (8000, 1)}
"""CARLA's usual ports, and how many neighbouring ones each takes."""
DRAWING_TIMEOUT_S = 180.0
SOFTWARE_DRIVERS = ("llvmpipe", "softpipe", "swrast")


def check_python(plan: Plan) -> Finding:
    if PYTHONS[0] <= sys.version_info[:2] < PYTHONS[1]:
        return ok("python", platform.python_version())
    return Finding(
        "python",
        "wrong",
        f"{platform.python_version()} does not fit",
        "make the environment with Python 3.10, 3.11 or 3.12",
    )


def check_wheel(plan: Plan) -> Finding:
    """The module `carla` must come from one distribution, of a version whose wire is spoken."""
    owners = sorted(set(packages_distributions().get("carla", ())))
    fix = f"python -m pip install carla=={max(GNSS)}"
    if len(owners) > 1 or owners not in ([], ["carla"]):
        return Finding(
            "carla wheel",
            "wrong",
            f"the module carla comes from {' and '.join(owners)}, which overwrite each other's "
            "files or hide the version",
            f"python -m pip uninstall -y {' '.join(owners)}, then {fix}",
        )
    try:
        installed = version("carla")
    except PackageNotFoundError:
        return Finding("carla wheel", "wrong", "not installed", fix)
    if installed not in GNSS:
        return Finding(
            "carla wheel",
            "wrong",
            f"{installed}: the embedded simulator speaks {' and '.join(GNSS)}",
            fix,
        )
    try:
        import_module("carla")
    except ImportError as error:
        reinstall = f"python -m pip install --force-reinstall carla=={installed}"
        return Finding("carla wheel", "wrong", f"{installed} cannot be loaded: {error}", reinstall)
    return ok("carla wheel", f"{installed}: {GNSS[installed]}")


def check_namesakes(plan: Plan) -> Finding:
    there = [name for name in NAMESAKES if _is_installed(name)]
    if not there:
        return ok("namesakes", f"no {' or '.join(NAMESAKES)} of PyPI is installed")
    return Finding(
        "namesakes",
        "wrong",
        f"PyPI's {' and '.join(there)} is not CARLA's",
        f"python -m pip uninstall -y {' '.join(there)}; "
        "`python -m evaluation leaderboard --setup DIR` says what to clone",
    )


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def check_torch(plan: Plan) -> Finding:
    import torch

    built = f"torch {torch.__version__}"
    if torch.version.cuda is None or not torch.cuda.is_available():
        if not NVIDIA_DRIVER.exists():
            return ok("torch", f"{built} on the CPU, in fp32")
        reason = "is a CPU build" if torch.version.cuda is None else "cannot use the GPU"
        return Finding(
            "torch",
            "wrong",
            f"{built} {reason}, though there is an NVIDIA driver",
            "install the build of torch that fits `nvidia-smi`: https://pytorch.org/get-started",
        )
    free, total = torch.cuda.mem_get_info()
    precision = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
    text = (
        f"{built}, CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}, {precision}, "
        f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    )
    if free < FREE_GPU_BYTES:
        fix = (
            f"end what else uses the GPU (`nvidia-smi`): BASE needs {FREE_GPU_BYTES / GIB:.0f} GiB"
        )
        return Finding("torch", "wrong", text, fix)
    if precision != "bf16":
        return Finding("torch", "warning", text, "use a GPU of Ampere or later, or device=cpu")
    return ok("torch", text)


def check_renderer(plan: Plan) -> Finding:
    """Draws in a process of its own: graphics drivers that do not fit end theirs."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "evaluation.doctor.drawing"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=DRAWING_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return Finding(
            "renderer",
            "warning",
            f"nothing was drawn within {DRAWING_TIMEOUT_S:.0f} s",
            "the machine is busy with something else, or its graphics driver hangs: try again when "
            "it is idle",
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f"drawing ended with {done.returncode}"]
        return Finding(
            "renderer",
            "wrong" if plan.simulator is None else "warning",
            said[-1],
            "apt-get install libegl1 libgl1 libgl1-mesa-dri libegl-mesa0",
        )
    text = done.stdout.strip().splitlines()[-1]
    if NVIDIA_DRIVER.exists() and any(name in text for name in SOFTWARE_DRIVERS):
        return Finding(
            "renderer",
            "warning",
            f"{text}: the CPU draws, though there is an NVIDIA driver",
            "install the driver's libnvidia-gl package; in a container set "
            "NVIDIA_DRIVER_CAPABILITIES=all",
        )
    return ok("renderer", text)


def check_ports(plan: Plan) -> Finding:
    """Ports to listen on; a running simulator has its own already."""
    from evaluation.servers.ports import free_port, is_free

    asked = {"simulator": plan.port, "traffic manager": plan.traffic_manager_port}
    options = {"simulator": "--port", "traffic manager": "--traffic-manager-port"}
    looked_at = []
    for what, (usual, neighbours) in CARLA_PORTS.items():
        if what == "simulator" and plan.simulator is not None:
            continue
        first = usual if asked[what] is None else asked[what] or free_port(neighbours)
        for port in range(first, first + neighbours):
            if not is_free(port):
                return Finding(
                    "ports",
                    "warning" if asked[what] is None else "wrong",
                    f"{port} of the {what} is in use",
                    f"end the server that an earlier run left behind, or give {options[what]} "
                    f"{free_port(neighbours)}",
                )
            looked_at.append(str(port))
    return ok("ports", f"free: {', '.join(looked_at)}")


def check_disk(plan: Plan) -> Finding:
    folder = plan.out.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB free for {plan.out}"
    if free >= AMPLE_FREE_BYTES:
        return ok("disk", text)
    level: Level = "wrong" if free < LEAST_FREE_BYTES else "warning"
    return Finding("disk", level, text, "free some space, or give another disk with --out")
