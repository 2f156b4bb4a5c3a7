#!/usr/bin/env bash
# Prints how the public API differs from that of an earlier revision (japicmp), and fails if a program that was compiled
# against it would break: scripts/api-changes.sh REVISION
#
# The modules are those that programs depend on. Both sides are built without tests; the sources of this folder must have
# been built with "mvn -DskipTests package" or "mvn verify" before.
set -euo pipefail
cd "$(dirname "$0")/.."
revision=${1:?usage: scripts/api-changes.sh REVISION}
japicmp=0.26.1
modules="attention models data training explain api"

work=$(mktemp -d)
trap 'git worktree remove --force "$work/before" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/before" "$revision"
mvn -B -ntp -q -f "$work/before/pom.xml" -DskipTests -Dunchecked package -pl "${modules// /,}" -am
mvn -B -ntp -q dependency:copy -Dartifact="com.github.siom79.japicmp:japicmp:$japicmp:jar:jar-with-dependencies" \
  -DoutputDirectory="$work"

jar() { # of a module, without those of tests, sources and Javadoc
  ls "$1/$2"/target/fovea*.jar | grep -v -e '-tests.jar' -e '-sources.jar' -e '-javadoc.jar'
}

status=0
for module in $modules; do
  echo "== $module"
  exported=$(sed -n 's/^ *exports \([a-z.]*\);.*/\1/p' "$module/src/main/java/module-info.java" | paste -sd ';')
  java -jar "$work"/japicmp-*.jar --old "$(jar "$work/before" "$module")" --new "$(jar . "$module")" \
    --include "$exported" --include-exclusively --only-modified --ignore-missing-classes \
    --error-on-binary-incompatibility || status=1
done
exit $status
