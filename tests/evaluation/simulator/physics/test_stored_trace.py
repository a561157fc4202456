"""The physics give the same bits on every processor: their trace has a stored hash.

numpy and the C library are told, in a process of its own, to leave out what newer processors can
do: the hash must not change. Before the sines, products and solutions of `physics/exact.py` and
`vehicle/planar.py` were written out it did. A change of the physics changes the hash: then run
`python -m tests.evaluation.simulator.physics.physics_trace` and store what it prints.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.evaluation.simulator.physics.physics_trace import trace_hash
from tests.shapes import PROJECT

STORED = "8c36a9d1173e2393ebb96c791adedb87aad018a80e32488463d6a936161f6181"
OLD_PROCESSOR = {
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Prescott",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable,-AVX2,-FMA",
}


def test_trace_is_as_it_was_stored() -> None:
    assert trace_hash() == STORED


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names features of x86 processors")
def test_trace_does_not_depend_on_the_processor() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.evaluation.simulator.physics.physics_trace"],
        cwd=PROJECT,
        env={**os.environ, **OLD_PROCESSOR},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == STORED
