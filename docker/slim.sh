#!/bin/bash
# Takes out of an environment what no program here reads at run time: headers, stubs, tests, build
# tools, symbols, and pip.
#   slim.sh FOLDER
set -euo pipefail

packages=$(echo "$1"/lib/python3.*/site-packages)
for part in torch/test torch/include torch/share \
    onnxruntime/capi/libonnxruntime.so.*; do # the last for programs in C: Python's part holds its own
    rm -rf "$packages"/$part
done
# The rest of torch's programs are tests and compilers; this one shares tensors between processes.
find "$packages/torch/bin" -type f ! -name torch_shm_manager -delete
# Test suites of packages, but not modules that are called so.
for package in numpy scipy sympy networkx mpmath xmlschema; do
    find "$packages/$package" -type d -name tests -prune -exec rm -rf {} +
done
find "$packages" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' \
    -o -name '*.hpp' -o -name '*.a' \) -delete
rm -rf "$packages"/pip "$packages"/pip-*.dist-info
python3 "$(dirname "$0")/unloaded.py" "$packages"
