#!/usr/bin/env bash
# Builds Jaeger v2 (one program: OTLP in, memory store, query API) into .tools/jaeger, for machines without docker.
# Needs: Go 1.25 or newer; takes minutes the first time. v1.76.0 of the Go module is Jaeger v2.13; its web pages are not
# in it. Does nothing when it is already there.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
module=github.com/jaegertracing/jaeger
wanted="$module@v1.76.0 $module/cmd/jaeger"
if [ "$(cat "$here/../.tools/jaeger.version" 2>/dev/null)" != "$wanted" ]; then
  command -v go >/dev/null || { echo "jaeger: needs Go 1.25 or newer (Debian: apt-get install golang-go)" >&2; exit 1; }
fi
"$here/go-tool.sh" $module@v1.76.0 $module/cmd/jaeger "$here/../.tools/jaeger"
echo "jaeger: v1.76.0 is there" >&2
