#!/bin/sh
# Tries a release archive in an empty Debian, as the Dockerfile installs it: try-release.sh ARCHIVE
# Needs root, debootstrap and a network. Uses Debian's Java 17 runtime, the oldest that Fovea runs on.
set -eu
archive=$(readlink -f -- "$1")
root=$(mktemp -d)
chmod 755 "$root" # it becomes the root folder of the user who runs Fovea
trap 'umount "$root/proc" 2>/dev/null || true; rm -rf "$root"' EXIT

debootstrap --variant=minbase bookworm "$root" http://deb.debian.org/debian >/dev/null
mount -t proc proc "$root/proc"
chroot "$root" apt-get install -qq -y --no-install-recommends openjdk-17-jre-headless wget >/dev/null
tar xzf "$archive" -C "$root/opt"

cat >"$root/try.sh" <<'END'
set -eu
ln -s /opt/fovea-*/bin/fovea /usr/local/bin/fovea
useradd --create-home --uid 10001 fovea
cat >/home/fovea/steps.sh <<'STEPS'
set -eu
cd
export LANG=C.UTF-8
fovea --version
fovea doctor
fovea train --attention se --epochs 1 --limit 500 --out runs/first
fovea evaluate runs/first | tail -n 5
fovea export runs/first --out first.onnx
fovea serve --host 0.0.0.0 --port 8080 --token 0123456789abcdef runs/first >serve.txt 2>&1 &
server=$!
for attempt in $(seq 60); do
  if wget -qO health.json http://127.0.0.1:8080/health; then break; fi
  sleep 1
done
test -s health.json
cat health.json
echo
kill "$server"
wait "$server" && echo "stopped in order"
STEPS
su fovea -c 'sh /home/fovea/steps.sh'
END
# without the network: what a release needs, it brings along
unshare --net sh -c 'ip link set lo up; exec chroot "$1" sh /try.sh' try "$root"
