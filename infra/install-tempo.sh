#!/usr/bin/env bash
# Builds Grafana Tempo (OTLP in, local disk, TraceQL, service graph) into .tools/tempo, for machines without docker.
# Needs: Go 1.25 or newer; takes minutes the first time. The module's tags stop at v1.5; this commit of May 2025,
# between 2.7 and 2.8, is the newest that can be had as a module. It has known advisories: for loopback only; the
# compose file has the image. Does nothing when it is already there.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
module=github.com/grafana/tempo
version=v1.5.1-0.20250529124718-87c2dc380cec
wanted="$module@$version $module/cmd/tempo"
if [ "$(cat "$here/../.tools/tempo.version" 2>/dev/null)" != "$wanted" ]; then
  command -v go >/dev/null || { echo "tempo: needs Go 1.25 or newer (Debian: apt-get install golang-go)" >&2; exit 1; }
fi
# the checksum database does not know the commit; the two checksums are those of Grafana's own go.sum
"$here/go-tool.sh" "$module@$version" $module/cmd/tempo "$here/../.tools/tempo" "$here/tempo.sum"
echo "tempo: $version is there" >&2
