"""Fetch the pretrained parts: ``python -m model.download --to out/pretrained``.

A training starts from them with ``pretrained=out/pretrained``.

Only the bytes of the wanted tensors are read, from the hub by range requests or from a directory
that holds a copy (``--llava DIRECTORY``): of LLaVA-NeXT's 15 GB that is the vision tower and the
projector, 0.65 GB.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.checkpoint import CheckpointError, make_folder
from model.pretrained import LLAVA_PREFIXES, RESNET_PREFIXES, rename, to_float
from model.shards import read_index

SOURCES = {
    "llava": "llava-hf/llava-v1.6-mistral-7b-hf",
    "resnet34": "microsoft/resnet-34",
    "resnet18": "microsoft/resnet-18",
}
INDEX_FILE = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
MAX_HEADER_BYTES = 100_000_000
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
}

OpenFile = Callable[[str], BinaryIO]


def collect(part: str, source: str, destination: Path) -> Path:
    """Write ``destination/<part>.safetensors`` from a hub repository or a directory.

    ``part`` is a key of ``SOURCES``. Raises :class:`model.checkpoint.CheckpointError` when the
    source cannot be reached, has none of its tensors, or is damaged.
    """
    open_file = opener(source)
    make_folder(destination)
    prefixes = LLAVA_PREFIXES if part == "llava" else RESNET_PREFIXES
    weights: dict[str, Tensor] = {}
    try:
        for shard, names in _shards(open_file).items():
            wanted = rename(dict.fromkeys(names), prefixes)
            if wanted:
                weights.update(_read(open_file, shard, wanted))
    except CheckpointError:
        raise
    except Exception as error:  # the hub's client lets errors of its HTTP library through
        problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise CheckpointError(
            f"{source}: cannot read {part}: {problem}{_advice(part, source)}"
        ) from error
    if not weights:
        raise CheckpointError(f"{source}: expected tensors of {part}, got none")
    path = destination / f"{part}.safetensors"
    save_file(to_float(weights), path)
    return path


def _advice(part: str, source: str) -> str:
    if Path(source).is_dir():
        return ""
    return (
        f"; is the Hugging Face hub within reach (HTTPS_PROXY, HF_ENDPOINT, HF_HUB_OFFLINE)? "
        f"Or take a copy of the repository that is on this machine: --{part} DIRECTORY"
    )


def opener(source: str) -> OpenFile:
    """How to open a file of ``source``: a directory, else a repository of the Hugging Face hub."""
    if Path(source).is_dir():
        return lambda name: (Path(source) / name).open("rb")
    if source.startswith((".", "/", "~")) or source.count("/") != 1:
        raise CheckpointError(f"{source}: no such directory, and no name of a hub repository")
    from huggingface_hub import HfFileSystem

    hub: Any = HfFileSystem()
    return lambda name: hub.open(f"{source}/{name}", "rb", block_size=2**24)


def _shards(open_file: OpenFile) -> Mapping[str, list[str]]:
    """File -> names of its tensors."""
    try:
        with open_file(INDEX_FILE) as file:
            text = file.read().decode()
    except FileNotFoundError:
        with open_file(SINGLE_FILE) as file:
            return {SINGLE_FILE: list(_header(file, SINGLE_FILE)[0])}
    return read_index(text)


def _header(file: BinaryIO, shard: str) -> tuple[dict[str, Any], int]:
    """The tensors that a safetensors file lists, and where their bytes begin."""
    prefix = file.read(8)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else MAX_HEADER_BYTES + 1
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"{shard}: expected a safetensors file, got something else")
    header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _read(open_file: OpenFile, shard: str, wanted: Mapping[str, str]) -> dict[str, Tensor]:
    """The ``wanted`` tensors (name in the shard -> our name) of one shard."""
    weights = {}
    with open_file(shard) as file:
        header, start = _header(file, shard)
        for name, ours in wanted.items():
            if name not in header:
                raise CheckpointError(f"{shard}: missing key {name}")
            entry = header[name]
            begin, end = entry["data_offsets"]
            file.seek(start + begin)
            content = bytearray(file.read(end - begin))
            if len(content) != end - begin:
                raise CheckpointError(f"{shard}: {name}: expected {end - begin} bytes, got fewer")
            tensor = torch.frombuffer(content, dtype=DTYPES[entry["dtype"]])
            weights[ours] = tensor.reshape(entry["shape"])
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="directory to write into")
    parts = "what to fetch; llava is what the preset base needs"
    parser.add_argument("--parts", nargs="+", choices=SOURCES, default=["llava"], help=parts)
    for part, source in SOURCES.items():
        parser.add_argument(f"--{part}", default=source, help="hub repository or directory")
    arguments = parser.parse_args()
    try:
        for part in arguments.parts:
            print(collect(part, getattr(arguments, part), arguments.to))
    except CheckpointError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
