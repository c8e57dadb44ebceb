#!/usr/bin/env bash
# Fetches the W3C's trace context test suite into .tools/w3c, and Python's aiohttp, which it needs, beside it.
# Needs: git and python3 with venv, and a way to GitHub and PyPI; W3C_SOURCE=<a clone of the suite> spares GitHub.
# The suite is the W3C's, under its own licence; it is run, not kept here. Does nothing when it is already there.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
source=${W3C_SOURCE:-https://github.com/w3c/trace-context.git}
commit=acab820be9db7b3433668baa5cdd43f57f4c4be0
target=$here/../.tools/w3c
[ "$(cat "$target/version" 2>/dev/null)" != "$commit" ] || { echo "w3c: $commit is there" >&2; exit 0; }

for program in git python3; do
  command -v $program >/dev/null || { echo "w3c: needs $program" >&2; exit 1; }
done
rm -rf "$target"
mkdir -p "$target"
if ! git clone --quiet --no-checkout "$source" "$target/suite"; then
  echo "w3c: no way to $source; W3C_SOURCE names a clone that you have" >&2
  exit 1
fi
git -C "$target/suite" checkout --quiet $commit
if ! python3 -m venv "$target/python"; then
  echo "w3c: needs Python's venv (Debian: apt-get install python3-venv)" >&2
  exit 1
fi
"$target/python/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
echo $commit > "$target/version"
echo "w3c: $commit is there" >&2
