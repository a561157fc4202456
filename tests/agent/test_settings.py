"""The agent-config string."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.settings import (
    DEFAULT_CHECKPOINT,
    SettingsError,
    read_agent_settings,
    read_expert_settings,
    split_save_name,
)


@pytest.mark.parametrize("text", [None, "", "  "])
def test_nothing_means_the_shipped_checkpoint(text: str | None) -> None:
    settings = read_agent_settings(text)
    assert settings.checkpoint == DEFAULT_CHECKPOINT
    assert settings.save_name == ""


def test_a_folder_is_a_checkpoint(tmp_path: Path) -> None:
    assert read_agent_settings(str(tmp_path)).checkpoint == tmp_path


def test_pairs_are_converted() -> None:
    settings = read_agent_settings("device=cuda:1, jpeg_quality=0,record_every=4,checkpoint=/x/y")
    assert settings.device == "cuda:1"
    assert settings.jpeg_quality == 0
    assert settings.record_every == 4
    assert settings.checkpoint == Path("/x/y")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine.{suffix}"
    path.write_text(json.dumps({"device": "cpu", "jpeg_quality": 95}))
    settings = read_agent_settings(str(path))
    assert (settings.device, settings.jpeg_quality) == ("cpu", 95)


@pytest.mark.parametrize(
    ("text", "config", "name"),
    [
        ("device=cpu", "device=cpu", ""),
        ("device=cpu+route_1", "device=cpu", "route_1"),
        ("device=cpu+route_1+route_2", "device=cpu", "route_2"),
        ("+route_1+route_2+route_3", "", "route_3"),
    ],
)
def test_the_save_name_is_the_last_part(text: str, config: str, name: str) -> None:
    parts = split_save_name(text)
    assert (parts.config, parts.save_name) == (config, name)


def test_a_path_may_contain_a_plus(tmp_path: Path) -> None:
    folder = tmp_path / "c++" / "weights"
    folder.mkdir(parents=True)
    assert read_agent_settings(str(folder)).checkpoint == folder
    settings = read_agent_settings(f"{folder}+one+two")
    assert (settings.checkpoint, settings.save_name) == (folder, "two")


@pytest.mark.parametrize("config", ["", "{folder}", "seed=1", "{file}"])
@pytest.mark.parametrize("routes", [1, 5, 220])
def test_a_text_longer_than_a_file_name_is_read(config: str, routes: int, tmp_path: Path) -> None:
    """Bench2Drive's evaluator appends some 65 characters for each route of a run."""
    (tmp_path / "mine.yaml").write_text("{}")
    config = config.format(folder=tmp_path, file=tmp_path / "mine.yaml")
    names = [f"RouteScenario_{n}_rep0_Town12_Accident_1_5_11_27_09_30_00" for n in range(routes)]
    parts = split_save_name("+".join([config, *names]))
    assert (parts.config, parts.save_name) == (config, names[-1])


def test_a_long_text_that_is_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="there is no such directory"):
        read_agent_settings("x" * 5000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no/such/folder", "no/such/folder"),
        ("no/such/file.yaml", r"no/such/file\.yaml"),
        ("devise=cpu", "unknown key 'devise'.*device"),
        ("device=cpu,oops", "key=value, got 'oops'"),
        ("device=cpu,device=cuda", "twice"),
        ("jpeg_quality=high", "jpeg_quality: expected int, got 'high'"),
        ("jpeg_quality=101", "jpeg_quality: expected 0 to 100, got 101"),
        ("record_every=0", "record_every"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_agent_settings(text)


@pytest.mark.parametrize("content", ["[1, 2]", "just text", "a: [unclosed"])
def test_files_that_hold_no_settings(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=r"bad\.yaml"):
        read_agent_settings(str(path))


def test_the_expert_reads_its_own_keys() -> None:
    settings = read_expert_settings(
        "record=data,split=validation,cameras=yes,perturb=2.5,route=7+name"
    )
    assert (settings.record, settings.split, settings.route) == ("data", "validation", "7")
    assert settings.cameras is True
    assert settings.perturb == 2.5
    assert settings.save_name == "name"


@pytest.mark.parametrize("text", ["device=cpu", "cameras=perhaps", "limit_factor=2", "shift_m=-1"])
def test_the_expert_rejects_what_it_does_not_know(text: str) -> None:
    with pytest.raises(SettingsError, match=text.split("=")[0]):
        read_expert_settings(text)
