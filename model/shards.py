"""The index of weights that are spread over several files."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

from model.strict_json import ConfigError, parse

INDEX_SUFFIX = ".index.json"


def read_index(text: str) -> dict[str, list[str]]:
    """File beside the index -> names of the tensors that it is to hold.

    Raises :class:`model.strict_json.ConfigError` for anything else than Hugging Face's
    ``{"weight_map": {name: file}}``, and for a file that does not lie beside the index: an index
    comes from others, and must not open what they choose.
    """
    content = parse(text)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise ConfigError("weight_map: expected an object of tensors and files, got none")
    shards: dict[str, list[str]] = {}
    for name, file in weight_map.items():
        if not isinstance(file, str) or not is_plain_name(file):
            raise ConfigError(f"weight_map.{name}: expected the name of a file, got {file!r}")
        shards.setdefault(file, []).append(name)
    return shards


def is_plain_name(file: str) -> bool:
    """Whether the name of a file or folder leads to no other folder, in any system's notation."""
    return file not in ("", ".", "..") and file == PurePosixPath(PureWindowsPath(file).name).name
