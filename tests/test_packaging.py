"""What an installed wheel holds: every file that the code reads, and its extras."""

from __future__ import annotations

import configparser

from tests.shapes import PACKAGES, PROJECT

SETUP = configparser.ConfigParser(interpolation=None)
SETUP.read(PROJECT / "setup.cfg")
NOT_DATA = (".py", ".pyc", ".md")


def test_every_data_file_of_a_package_is_in_the_wheel() -> None:
    packed = {
        path
        for package, patterns in SETUP["options.package_data"].items()
        for pattern in patterns.split(",")
        for path in (PROJECT / package.replace(".", "/")).glob(pattern.strip())
    }
    for package in PACKAGES:
        for path in (PROJECT / package).rglob("*"):
            if path.is_file() and path.suffix not in NOT_DATA:
                assert path in packed, f"package_data of setup.cfg lacks {path}"


def test_the_changelog_tells_of_the_version() -> None:
    version = SETUP["metadata"]["version"]
    assert f"\n## {version}\n" in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {version}" in (PROJECT / "CITATION.cff").read_text(encoding="utf-8")


def test_driving_installs_nothing_that_only_an_extra_needs() -> None:
    needed = SETUP["options"]["install_requires"]
    for name in ("lightning", "hydra", "tensorboard", "pytest", "onnxscript", "rerun", "wandb"):
        assert name not in needed
    extras = SETUP["options.extras_require"]
    assert {"train", "debug", "export", "leaderboard", "server", "report", "dev"} <= set(extras)
