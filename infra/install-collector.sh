#!/usr/bin/env bash
# Builds a small OpenTelemetry Collector (OTLP in, tail sampling, OTLP/HTTP out) into .tools/collector, for machines
# without docker. Needs: Go 1.26 or newer; takes minutes the first time. Versions and checksums: collector/go.{mod,sum}.
# Does nothing when it is already there.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
out=$(realpath -m "$here/../.tools/collector")
wanted=$(cat "$here"/collector/{main.go,go.mod,go.sum} | sha256sum | cut -d ' ' -f 1)
if [ ! -x "$out" ] || [ "$(cat "$out.version" 2>/dev/null)" != "$wanted" ]; then
  command -v go >/dev/null || { echo "collector: needs Go 1.26 or newer" >&2; exit 1; }
  mkdir -p "$(dirname "$out")"
  export GOFLAGS="-buildvcs=false -p=2 ${GOFLAGS:-}" GOTOOLCHAIN=local
  (cd "$here/collector" && go build -trimpath -ldflags="-s -w" -o "$out.new" .)
  mv "$out.new" "$out"
  echo "$wanted" > "$out.version"
fi
echo "collector: 0.155.0 is there" >&2
