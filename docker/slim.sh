#!/bin/bash
# Takes out of an environment what no program here reads at run time: tests, headers, build tools and
# symbol tables of torch's wheel (190 MB), and pip. Symbols in the carla wheel, most of its 176 MB,
# have to stay: stripped by binutils or LLVM its library does not load any more.
#   slim.sh FOLDER
set -euo pipefail

packages=$(echo "$1"/lib/python3.*/site-packages)
for part in test include share; do
    rm -rf "$packages/torch/$part"
done
# The rest of torch's programs are tests and compilers; this one shares tensors between processes.
find "$packages/torch/bin" -type f ! -name torch_shm_manager -delete
strip --strip-unneeded "$packages/torch/lib/libtorch_cpu.so"
rm -rf "$packages"/pip "$packages"/pip-*.dist-info
