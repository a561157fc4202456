#!/bin/bash
# Builds an image with whatever this machine has: a Docker engine, or buildah without one.
#   docker/build.sh [evaluation|agent|submission|bench2drive] [options of `build`]
#
# For instance --build-arg GITHUB=file:///mirror --volume "$PWD/mirror:/mirror:ro": checkouts from
# repositories on this machine.
# Without an engine there may be no registry of images either: the base is then a Debian 12 that
# debootstrap makes. PIP_CERT (a file of certificates) and PIP_FIND_LINKS (a folder of wheels, taken
# in place of an index for torch) are handed to the build, read-only, and stay out of the image.
set -euo pipefail

what=${1:-evaluation}
options=("${@:2}")
case $what in
    evaluation) file=evaluation target=() ;;
    agent | submission | bench2drive) file=agent target=(--target "$what") ;;
    *) echo "build.sh: expected evaluation, agent, submission or bench2drive, got $what" >&2; exit 2 ;;
esac
project=$(cd "$(dirname "$0")/.." && pwd)
arguments=(--file "$project/docker/$file.Dockerfile" --tag "simlingo-$what" "${target[@]}"
    "${options[@]}")

if docker info > /dev/null 2>&1; then
    exec docker build "${arguments[@]}" "$project"
fi
for program in buildah debootstrap; do
    command -v "$program" > /dev/null || {
        echo "build.sh: no Docker engine answers, and there is no $program: start Docker, or" \
            "apt-get install buildah debootstrap" >&2
        exit 2
    }
done

export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-vfs}
base=localhost/debian:bookworm
if ! buildah images --quiet "$base" > /dev/null 2>&1; then
    root=$(mktemp -d)
    debootstrap --variant=minbase bookworm "$root"
    # As in Debian's own slim images.
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/{doc,info,locale,man}/*
    # Updates and security fixes, from the mirror that debootstrap chose.
    sed -i -e 's#^\(deb .*/\)debian bookworm main$#&\n\1debian bookworm-updates main\n\1debian-security bookworm-security main#' \
        "$root/etc/apt/sources.list"
    container=$(buildah from scratch)
    buildah add --quiet "$container" "$root" / > /dev/null
    buildah commit --rm "$container" "$base"
    rm -rf "$root"
fi
arguments+=(--build-arg "BASE=$base" --format docker)
if [ -n "${PIP_CERT:-}" ]; then
    arguments+=(--volume "$(dirname "$PIP_CERT"):/run/certificates:ro")
    arguments+=(--build-arg "PIP_CERT=/run/certificates/$(basename "$PIP_CERT")")
fi
if [ -n "${PIP_FIND_LINKS:-}" ]; then
    arguments+=(--volume "$PIP_FIND_LINKS:$PIP_FIND_LINKS:ro")
    arguments+=(--build-arg "PIP_FLAGS=--find-links $PIP_FIND_LINKS")
fi
exec buildah build "${arguments[@]}" "$project"
