#!/usr/bin/env bash
# Puts a NATS server with JetStream where the tests find it: Debian's package where that can be installed (2 s), else
# built by Go into .tools/nats-server (about a minute of processor time the first time; Go 1.25 or newer).
# Does nothing when one is there already.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
tools=$(realpath -m "$here/../.tools")
version=v2.15.2
if [ -x "$tools/nats-server" ] || command -v nats-server >/dev/null; then
  echo "nats: is there" >&2
  exit 0
fi
may_install() { [ "$(id -u)" = 0 ] && apt-cache show nats-server >/dev/null 2>&1; }
if [ "${CI:-}" = true ] && may_install; then
  apt-get install -y -qq --no-install-recommends nats-server
elif command -v go >/dev/null; then
  mkdir -p "$tools"
  export GOBIN="$tools" GOFLAGS="-buildvcs=false -p=2" GOTOOLCHAIN=local
  go install "github.com/nats-io/nats-server/v2@$version"
elif may_install; then
  apt-get install -y -qq --no-install-recommends nats-server
else
  echo "nats: needs Go 1.25 or newer, or Debian (apt-get install nats-server)" >&2
  exit 1
fi
echo "nats: is there" >&2
