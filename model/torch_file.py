"""PyTorch files of others, read without running anything that is in them.

A ``.ckpt`` of Lightning holds more than weights: hyper-parameters, which are pickled modules of
somebody's program, enumerations, paths, configurations. ``torch.load(weights_only=True)`` refuses
such a file as a whole. The reader here builds tensors, lists, dicts, strings and numbers; whatever
else the file asks for becomes a :class:`PassedOver`, which is told by name and does nothing.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.checkpoint import CheckpointError

# Names that torch's archives give their parts, below a folder named after the file.
PICKLE_PART = "data.pkl"
TORCHSCRIPT_PART = "constants.pkl"
BYTE_ORDER_PART = "byteorder"
# The part that describes the tensors of a model with 10,000 of them has some 2 MB.
MAX_PICKLE_BYTES = 256 * 2**20
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# What a damaged file makes zipfile, pickle and torch raise.
UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True)
class TorchFile:
    """What a file holds, and the names of what was not built, sorted."""

    content: Any
    passed_over: tuple[str, ...]


class PassedOver:
    """Stands for anything that a file asks for and that is no tensor and no plain container.

    It takes whatever a pickle does to it (be called, get a state, entries, items) and keeps
    nothing.
    """

    __slots__ = ()

    def __new__(cls, *arguments: object, **named: object) -> PassedOver:
        return super().__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None:
        pass

    def __call__(self, *arguments: object, **named: object) -> PassedOver:
        return self

    def _ignore(self, *arguments: object) -> None:
        pass

    __setstate__ = __setitem__ = append = extend = add = _ignore


class _Dict(dict[Any, Any]):
    """An OrderedDict of the file; what is attached to it (a state dict's metadata) is left out."""

    def __setstate__(self, state: object) -> None:
        pass


def read_torch_file(path: Path) -> TorchFile:
    """Read what ``torch.save`` wrote, on the CPU.

    Raises :class:`model.checkpoint.CheckpointError` for a file that is damaged, that torch before
    1.6 wrote with more than tensors in it, or that is a TorchScript program.
    """
    try:
        if not zipfile.is_zipfile(path):
            return TorchFile(_tensors_alone(path), ())
        with zipfile.ZipFile(path) as parts:
            archive = _Archive(parts)
            try:
                return TorchFile(_tensors_alone(path), ())
            except pickle.UnpicklingError:
                return archive.read()
    except pickle.UnpicklingError as error:
        problem = _first_line(error)
        if not zipfile.is_zipfile(path):
            problem = (
                "expected a file of torch 1.6 or later, or one that holds tensors alone; got an "
                "older one with other objects in it, or none of torch's"
            )
        raise CheckpointError(f"{path}: {problem}") from error
    except UNREADABLE as error:
        raise CheckpointError(f"{path}: {_first_line(error)}") from error


def _tensors_alone(path: Path) -> Any:
    """The usual case, in which torch's own reader suffices."""
    return torch.load(path, map_location="cpu", weights_only=True)


class _Archive:
    """The parts of one file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        found = [n for n in archive.namelist() if n.rpartition("/")[2] == PICKLE_PART]
        if len(found) != 1:
            raise ValueError(f"expected one {PICKLE_PART}, got {len(found)}")
        self.folder = found[0].removesuffix(PICKLE_PART)
        names = set(archive.namelist())
        if self.folder + TORCHSCRIPT_PART in names:
            raise ValueError("expected a file of torch.save, got a TorchScript program")
        if self.folder + BYTE_ORDER_PART in names and self.part(BYTE_ORDER_PART) != b"little":
            raise ValueError("expected little-endian numbers, got big-endian ones")
        self.storages: dict[str, Tensor] = {}

    def read(self) -> TorchFile:
        if self.archive.getinfo(self.folder + PICKLE_PART).file_size > MAX_PICKLE_BYTES:
            raise ValueError(f"{PICKLE_PART}: expected at most {MAX_PICKLE_BYTES} bytes, got more")
        with self.archive.open(self.folder + PICKLE_PART) as file:
            unpickler = _TensorUnpickler(file, self.storage)
            content = unpickler.load()
        return TorchFile(content, tuple(sorted(unpickler.passed_over)))

    def part(self, name: str) -> bytes:
        """Parts are stored as they are: one that would have to be unpacked is not torch's, and may
        be of any size."""
        if self.archive.getinfo(self.folder + name).compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name}: expected a part that is not compressed")
        return self.archive.read(self.folder + name)

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        """The ``count`` numbers of one part (count,)."""
        if key not in self.storages:
            content = bytearray(self.part(f"data/{key}"))
            wanted = count * dtype.itemsize
            if len(content) != wanted:
                raise ValueError(f"data/{key}: expected {wanted} bytes, got {len(content)}")
            self.storages[key] = (
                torch.frombuffer(content, dtype=dtype) if count else torch.empty(0, dtype=dtype)
            )
        if self.storages[key].dtype != dtype:
            raise ValueError(f"data/{key}: expected one type, got {self.storages[key].dtype}")
        return self.storages[key]


class _TensorUnpickler(pickle.Unpickler):
    """Finds nothing but what tensors and containers are made of.

    The names in a file never lead to an import: each is looked up in the tables here.
    """

    def __init__(self, file: Any, storage: Callable[[str, torch.dtype, int], Tensor]) -> None:
        super().__init__(file)
        self.storage = storage
        self.passed_over: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        found = BUILDERS.get((module, name))
        if found is None:
            self.passed_over.add(f"{module}.{name}")
            return PassedOver
        return found

    def persistent_load(self, identifier: Any) -> Tensor:
        kind, dtype, key, _, count = identifier
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"expected the numbers of a tensor, got {identifier!r}")
        if not isinstance(key, str) or not re.fullmatch(r"\d+", key):
            raise pickle.UnpicklingError(f"expected the number of a part, got {key!r}")
        return self.storage(key, dtype, int(count))


class _Builder:
    """A function that files may call. They can neither look into it nor change it."""

    __slots__ = ("_build",)
    _build: Callable[..., Any]

    def __init__(self, build: Callable[..., Any]) -> None:
        object.__setattr__(self, "_build", build)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name}: cannot be set")

    def __call__(self, *arguments: Any) -> Any:
        return self._build(*arguments)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of a storage, which holds a number for each of its entries."""
    if not isinstance(storage, Tensor):
        raise pickle.UnpicklingError("expected the numbers of a tensor, got something else")
    size, stride = tuple(size), tuple(stride)
    entries = 1
    for count in size:
        entries *= count
    if entries > storage.numel():
        raise pickle.UnpicklingError(f"shape {size}: expected its numbers, got {storage.numel()}")
    # Bounds are checked there.
    return storage.as_strided(size, stride, offset)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _ordered(*pairs: Any) -> _Dict:
    return _Dict(*pairs)


def _size(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


BUILDERS = {
    ("torch._utils", "_rebuild_tensor"): _Builder(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Builder(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Builder(_parameter),
    ("torch", "Size"): _Builder(_size),
    ("collections", "OrderedDict"): _Builder(_ordered),
}


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
