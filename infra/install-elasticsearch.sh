#!/usr/bin/env bash
# Installs Elasticsearch into .tools/ from Maven's central repository, for machines without docker.
# Needs: mvn; one of unzip, jar or python3; Java 21 or newer to run it. Does nothing when it is already there.
set -euo pipefail

version=9.5.0
sha256=db0e275fd790f723eca7bcde96069fd6fed304ad23afdb70c8c09553dd9e8b1b
tools=$(dirname "$(dirname "$(realpath "$0")")")/.tools
home=$tools/elasticsearch-$version
zip=elasticsearch-$version.zip

say() { echo "elasticsearch: $*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

newest_java() {
  local release
  for release in "${ES_JAVA_HOME:-}/release" "${JAVA_HOME:-}/release" /usr/lib/jvm/*/release; do
    [ -f "$release" ] && sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$release"
  done | sort -n | tail -1
}

unpack() {
  if has unzip; then unzip -q "$zip"
  elif has jar; then jar xf "$zip"
  elif has python3; then python3 -m zipfile -e "$zip" .
  else say "needs unzip, jar or python3 to unpack (Debian: apt-get install unzip)"; return 1
  fi
}

java=$(newest_java)
if [ "${java:-0}" -lt 21 ]; then
  say "warning: no Java 21 or newer found (ES_JAVA_HOME, JAVA_HOME, /usr/lib/jvm); it will not start without one"
fi
if [ -x "$home/bin/elasticsearch" ]; then say "$version is there"; exit 0; fi
has mvn || { say "needs Maven (Debian: apt-get install maven)"; exit 1; }

mkdir -p "$tools"
work=$(mktemp -d "$tools/elasticsearch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
  -Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$version:zip -DoutputDirectory=.
echo "$sha256  $zip" | sha256sum --check --quiet
unpack
chmod -R a+rX elasticsearch-$version
chmod a+x elasticsearch-$version/bin/*
# moved in one step, so that an interrupted run leaves nothing half installed and two runs at once do no harm
mv -T elasticsearch-$version "$home" 2>/dev/null || [ -x "$home/bin/elasticsearch" ] ||
  { say "cannot move it to .tools/elasticsearch-$version; remove what is there"; exit 1; }
say "$version installed"
