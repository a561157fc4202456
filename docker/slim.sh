#!/bin/bash
# Takes out of an environment what no program here reads at run time: the tests, headers and build
# tools inside torch's wheel. (Debugging symbols in the carla wheel, most of its 176 MB, have
# to stay: after `strip` its library does not load any more.)
#   slim.sh FOLDER
set -euo pipefail

packages=$(echo "$1"/lib/python3.*/site-packages)
for part in test include share; do
    rm -rf "$packages/torch/$part"
done
# The rest of torch's programs are tests and compilers; this one shares tensors between processes.
find "$packages/torch/bin" -type f ! -name torch_shm_manager -delete
