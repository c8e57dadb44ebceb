#!/usr/bin/env bash
# go-tool.sh MODULE@VERSION PACKAGE OUT [SEED_SUM]
# Builds a program of a Go module that `go install` refuses because its go.mod has replace or exclude lines: makes a
# main module with the program's own go.mod lines and go.sum, so that every dependency has the version and checksum its
# authors released it with. SEED_SUM: file with the module's own two go.sum lines, needed only where the checksum
# database does not know the version. Does nothing when OUT is already this version.
set -euo pipefail

at=$1 pkg=$2 out=$(realpath -m "$3") mod=${1%@*} ver=${1#*@}
if [ -x "$out" ] && [ "$(cat "$out.version" 2>/dev/null)" = "$at $pkg" ]; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "${4:-}" ] && cp "$4" "$work/go.sum"
cd "$work"
export GOFLAGS="-buildvcs=false -p=2 ${GOFLAGS:-}" GOTOOLCHAIN=local

# (without the go line the whole module graph would be loaded for the download)
printf 'module tool\n\ngo 1.24\n\nrequire %s %s\n' "$mod" "$ver" > go.mod
info=$(go mod download -json "$at")
field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}$/\1/p" <<< "$info"; }
dir=$(field Dir)

sed -E -e 's/^module .*/module tool/' -e '/^tool \(/,/^\)/d' -e '/^tool /d' -e '/^toolchain /d' "$dir/go.mod" > go.mod
printf '\nrequire %s %s\n' "$mod" "$ver" >> go.mod
{ cat "$dir/go.sum"; echo "$mod $ver $(field Sum)"; echo "$mod $ver/go.mod $(field GoModSum)"; } | sort -u > go.sum
printf '//go:build tools\n\npackage tool\n\nimport _ "%s"\n' "$pkg" > tools.go

mkdir -p "$(dirname "$out")"
go build -mod=mod -trimpath -ldflags="-s -w" -o "$out.new" "$pkg"
mv "$out.new" "$out"
echo "$at $pkg" > "$out.version"
