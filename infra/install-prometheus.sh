#!/usr/bin/env bash
# Puts Prometheus and promtool into .tools/prometheus, from Debian's package, for machines without docker. The package
# is unpacked, not installed: no service, no root; apt checks its signature. Elsewhere: those two programs in PATH are
# taken. Does nothing when they are already there.
set -euo pipefail

home=$(dirname "$(dirname "$(realpath "$0")")")/.tools/prometheus
say() { echo "prometheus: $*" >&2; }
version() { "$home/prometheus" --version 2>&1 | sed -n 's/^prometheus, version \([^ ]*\).*/\1/p'; }

if [ -x "$home/prometheus" ] && [ -x "$home/promtool" ]; then say "$(version) is there"; exit 0; fi
mkdir -p "$(dirname "$home")"
work=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod a+rx "$work"

if command -v prometheus promtool >/dev/null; then
  ln -s "$(command -v prometheus)" "$(command -v promtool)" "$work"
else
  command -v apt-get >/dev/null || { say "needs Debian's apt-get, or prometheus and promtool in PATH"; exit 1; }
  if ! apt-cache show prometheus >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || { say "the package list is empty: apt-get update, as root"; exit 1; }
    apt-get update -qq
  fi
  (cd "$work" && apt-get download -q prometheus >/dev/null 2>&1) ||
    { say "apt-get download prometheus failed"; exit 1; }
  dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb |
    tar -x -C "$work" --strip-components=3 ./usr/bin/prometheus ./usr/bin/promtool
  rm "$work"/prometheus_*.deb
fi
# moved in one step, so that an interrupted run leaves nothing half installed and two runs at once do no harm
mv -T "$work" "$home" 2>/dev/null || [ -x "$home/promtool" ] || { say "cannot move it to $home"; exit 1; }
say "$(version) installed"
