#!/bin/bash
# Brings one commit (or tag) of a repository of GITHUB into a folder, without history.
#   checkout.sh OWNER/NAME COMMIT FOLDER [PATH_INSIDE]
set -euo pipefail

repository=$1 commit=$2 folder=$3 inside=${4:-}
git init --quiet "$folder"
cd "$folder"
git remote add origin "${GITHUB:-https://github.com}/$repository"
[ -z "$inside" ] || git sparse-checkout set "$inside"
git fetch --quiet --depth 1 ${inside:+--filter=blob:none} origin "$commit"
git -c advice.detachedHead=false checkout --quiet FETCH_HEAD
rm -rf .git
