#!/usr/bin/env bash
# Debian's Chromium, in which the console is tested; playwright-core drives it and brings no browser of its own.
# Needs: Debian or a relative of it, and root. Does nothing when a Chromium is already there.
set -euo pipefail

for place in "${WORDLOOM_TEST_CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser; do
  if [ -n "$place" ] && [ -x "$place" ]; then
    echo "chromium: $place is there" >&2
    exit 0
  fi
done
command -v apt-get >/dev/null || { echo "chromium: install it, and name it in WORDLOOM_TEST_CHROMIUM" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
echo "chromium: $(/usr/bin/chromium --version) is there" >&2
