"""What is in a recording of Rerun's, entity by entity."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any


def rows_of(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Rows of each entity in the order of the file, without what is empty in them."""
    from rerun.chunk import RrdReader

    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in RrdReader(path).stream().to_chunks():
        batch = chunk.to_record_batch()
        # Wall-clock times have more digits than Python's own.
        batch = batch.drop_columns([name for name in batch.schema.names if "log_t" in name])
        for row in batch.to_pylist():
            filled = {name: value for name, value in row.items() if value is not None}
            found[str(chunk.entity_path)].append(filled)
    return found
