#!/usr/bin/env bash
# Installs every server that `npm run test:full` starts. The first time takes minutes: three are built from source.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
for name in elasticsearch prometheus jaeger tempo collector; do "$here/install-$name.sh"; done
