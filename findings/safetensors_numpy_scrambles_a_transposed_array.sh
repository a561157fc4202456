#!/usr/bin/env bash
# safetensors.numpy.save_file() of 0.8.0 writes an array's memory as it lies, under the shape that
# numpy shows: an image that was transposed to (channel, height, width) comes back with the right
# shape and the wrong pixels. The docstring asks for contiguous arrays, but nothing checks it, and
# 0.7.0 saved the same array right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6
"${PYTHON:-python3}" -m venv older
older/bin/pip install --quiet --disable-pip-version-check safetensors==0.7.0 numpy==2.4.6
cat > show.py <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

image = np.zeros((2, 3, 3), dtype=np.uint8)
image[..., 0] = 255  # red all over
turned = image.transpose(2, 0, 1)
save_file({"turned": turned, "copied": np.ascontiguousarray(turned)}, "image.safetensors")
found = load_file("image.safetensors")
print("safetensors", version("safetensors"), "numpy", version("numpy"))
for name, values in found.items():
    print(f"{name}: red {values[0].tolist()}, green {values[1].tolist()}")
print("expected: red all 255, green all 0 in both, or an error.")
right = {name: bool((values == turned).all()) for name, values in found.items()}
assert right == {"copied": True, "turned": sys.argv[1] == "right"}, right
PY
older/bin/python show.py right
venv/bin/python show.py wrong
