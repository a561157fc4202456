"""Files as Lightning writes them, with somebody's pickled program beside the tensors."""

from __future__ import annotations

import collections
import enum
import functools
import io
import pathlib
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from model.checkpoint import CheckpointError
from model.torch_file import BUILDERS, PassedOver, read_torch_file


def leave_trace(path: str) -> str:
    """What must not be called."""
    Path(path).touch()
    return path


class Trap:
    """An object that, when it is unpickled, leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return leave_trace, (str(self.path),)


class Stage(enum.Enum):
    GRADIENTS = 2


class Encoder(nn.Module):
    """Stands for the modules in the hyper-parameters of the published checkpoint."""

    def __init__(self, trap: Path) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.trap = Trap(trap)
        self.bound = self.linear.extra_repr


def lightning_content(trap: Path) -> dict[str, Any]:
    weights = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).state_dict()
    weights["tied"] = weights["0.weight"].t()
    weights["scalar"] = torch.tensor(3.0, dtype=torch.bfloat16)
    weights["empty"] = torch.empty(0, 2)
    return {
        "epoch": 29,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": weights,
        "callbacks": {Stage.GRADIENTS: {"best": Path("epoch=029.ckpt"), "all": {1, 2}}},
        "hyper_parameters": {
            "vision_model": Encoder(trap),
            "language_model": functools.partial(leave_trace, str(trap)),
            "config": OmegaConf.create({"lr": 3e-5, "betas": [0.9, 0.999]}),
            "folder": pathlib.PurePosixPath("/data"),
            "counter": collections.Counter("aab"),
            "type": torch.float16,
            "trap": Trap(trap),
        },
        "optimizer_states": [torch.optim.AdamW(nn.Linear(2, 2).parameters()).state_dict()],
    }


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_only_tensors_and_containers_are_built(protocol: int, tmp_path: Path) -> None:
    path, trap = tmp_path / "last.ckpt", tmp_path / "trace"
    content = lightning_content(trap)
    torch.save(content, path, pickle_protocol=protocol)
    file = read_torch_file(path)
    assert not trap.exists()
    weights = file.content["state_dict"]
    assert weights.keys() == content["state_dict"].keys()
    for name, tensor in content["state_dict"].items():
        assert torch.equal(weights[name], tensor), name
        assert weights[name].dtype == tensor.dtype
    assert file.content["epoch"] == 29
    hyper_parameters = file.content["hyper_parameters"]
    assert isinstance(hyper_parameters["vision_model"], PassedOver)
    assert isinstance(hyper_parameters["trap"], PassedOver)
    module = "tests.model.test_torch_file"
    told = {f"{module}.{name}" for name in ("Encoder", "Stage", "leave_trace")}
    assert told | {"functools.partial", "omegaconf.dictconfig.DictConfig"} <= set(file.passed_over)
    # The trap does work: whoever reads the file without care is caught.
    torch.load(path, weights_only=False)
    assert trap.exists()


def test_plain_files_are_read_by_torch(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2)}, tmp_path / "weights.pt")
    file = read_torch_file(tmp_path / "weights.pt")
    assert torch.equal(file.content["weight"], torch.ones(2))
    assert file.passed_over == ()


def test_older_files_with_other_objects_are_refused(tmp_path: Path) -> None:
    path, trap = tmp_path / "old.ckpt", tmp_path / "trace"
    content = lightning_content(trap)
    torch.save(content, path, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match=r"old\.ckpt: expected a file of torch 1\.6 or later"):
        read_torch_file(path)
    assert not trap.exists()


def archive(path: Path, pickled: bytes, **parts: bytes) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/version", b"3\n")
        for name, content in parts.items():
            file.writestr(f"archive/{name.replace('__', '/')}", content)


class Writer(pickle._Pickler):
    """Writes globals by name, so that a file can ask for what a normal one does not."""

    write: Callable[[bytes], object]

    def persistent_id(self, obj: Any) -> Any:
        return obj.content if isinstance(obj, Persistent) else None

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Global):
            module, _, name = obj.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        elif isinstance(obj, Called):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(obj, Built):
            self.save(obj.target)
            self.save(obj.state)
            self.write(pickle.BUILD)
        else:
            super().save(obj, save_persistent_id)  # type: ignore[misc]


class Global:
    def __init__(self, name: str) -> None:
        self.name = name


class Persistent:
    def __init__(self, *content: Any) -> None:
        self.content = content


class Called:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments


class Built:
    def __init__(self, target: Any, state: Any) -> None:
        self.target, self.state = target, state


def pickled(content: Any) -> bytes:
    # An object that torch's own reader refuses, so that ours has its turn.
    buffer = io.BytesIO()
    Writer(buffer, protocol=2).dump([Called(Global("somebody.program"), 1), content])
    return buffer.getvalue()


REBUILD = Global("torch._utils._rebuild_tensor_v2")


def floats(count: int, key: str = "0") -> Persistent:
    return Persistent("storage", Global("torch.FloatStorage"), key, "cpu", count)


def tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Called:
    return Called(REBUILD, storage, offset, size, stride, False, {})


FOUR = torch.arange(4.0).numpy().tobytes()


def test_the_writer_of_the_tests_makes_readable_files(tmp_path: Path) -> None:
    archive(tmp_path / "x.pt", pickled(tensor(floats(4), 1, (3,), (1,))), data__0=FOUR)
    file = read_torch_file(tmp_path / "x.pt")
    assert file.content[1].tolist() == [1.0, 2.0, 3.0]
    assert file.passed_over == ("somebody.program",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tensor(floats(4), 2, (3,), (1,)), "out of bounds"),
        (tensor(floats(4), 0, (2,), (-1,)), "stride"),
        (tensor(floats(4), 0, (1_000_000_000,), (0,)), r"shape \(1000000000,\): expected"),
        (tensor(floats(5), 0, (5,), (1,)), "data/0: expected 20 bytes, got 16"),
        (tensor(floats(4, "../data/0"), 0, (1,), (1,)), "expected the number of a part"),
        (tensor(floats(4, "7"), 0, (1,), (1,)), "data/7"),
        (tensor("storage", 0, (1,), (1,)), "expected the numbers of a tensor"),
        (tensor(Persistent("module", "x", "0", "cpu", 4), 0, (1,), (1,)), "numbers of a tensor"),
        (tensor(Persistent("storage", Global("os.path"), "0", "", 4), 0, (1,), (1,)), "numbers"),
        (Built(REBUILD, {"_build": 1}), "_Builder"),
        (Built(REBUILD, (None, {"_build": 1})), "cannot be set"),
        (Called(Global("torch.FloatStorage"), 4), "not callable"),
    ],
)
def test_files_that_do_not_describe_tensors_are_refused(
    content: Any, message: str, tmp_path: Path
) -> None:
    archive(tmp_path / "x.pt", pickled(content), data__0=FOUR)
    before = dict(BUILDERS)
    with pytest.raises(CheckpointError, match=rf"x\.pt: .*{message}"):
        read_torch_file(tmp_path / "x.pt")
    assert before == BUILDERS


def test_roundabout_ways_to_a_function_lead_nowhere(tmp_path: Path) -> None:
    trap = tmp_path / "trace"
    function = Called(Global("builtins.getattr"), Global(f"{__name__}.Trap"), "__reduce__")
    ways = [
        Called(Called(function, 1), str(trap)),
        Called(Global(f"{__name__}.leave_trace"), str(trap)),
        Called(Global("builtins.map"), Global(f"{__name__}.leave_trace"), [str(trap)]),
        Called(Built(Called(Global("functools.partial"), REBUILD), {"func": 1}), str(trap)),
        Built(Global("collections.OrderedDictionary"), {"x": 1}),
        Called(Called(Global("collections.OrderedDict"), []).function, [("a", 1)]),
    ]
    archive(tmp_path / "x.pt", pickled(ways))
    file = read_torch_file(tmp_path / "x.pt")
    assert not trap.exists()
    assert all(isinstance(found, (PassedOver, type)) for found in file.content[1][:-1])
    assert file.content[1][-1] == {"a": 1}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"byteorder": b"big"}, "little-endian"),
        ({"constants.pkl": b"."}, "TorchScript"),
        ({"sub__data.pkl": b"."}, r"expected one data\.pkl, got 2"),
    ],
)
def test_other_archives_are_refused(parts: dict[str, bytes], message: str, tmp_path: Path) -> None:
    archive(tmp_path / "x.pt", pickled(1), **parts)
    with pytest.raises(CheckpointError, match=rf"x\.pt: .*{message}"):
        read_torch_file(tmp_path / "x.pt")


def test_compressed_numbers_are_refused(tmp_path: Path) -> None:
    archive(tmp_path / "x.pt", pickled(tensor(floats(4), 0, (4,), (1,))))
    with zipfile.ZipFile(tmp_path / "x.pt", "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", FOUR)
    with pytest.raises(CheckpointError, match="data/0: expected a part that is not compressed"):
        read_torch_file(tmp_path / "x.pt")


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save(lightning_content(tmp_path / "trace"), path)
    content = path.read_bytes()
    for size in (0, 4, 100, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match=r"last\.ckpt: "):
            read_torch_file(path)
