#!/usr/bin/env bash
# Everything in deploy/ and the Dockerfile, as far as that can be done with no container engine, cluster or service manager: by
# linters, schemas and unit tests, and with the image's last stage around a debug build, run by runc.
# image.sh makes the whole image instead, with a release build. What is installed goes below target/deploy, so that a second run is
# quick; tools that are Debian packages are installed if they are missing (as root).
set -euo pipefail
cd "$(dirname "$0")/../.."
here=deploy/test
there="$PWD/target/deploy"
mkdir -p "$there"

missing=()
command -v systemd-analyze >/dev/null || missing+=(systemd)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
if ((${#missing[@]})); then
  apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"
fi
if ! cmp -s "$here/requirements.txt" "$there/py/installed.txt"; then
  rm -rf "$there/py"
  python3 -m venv "$there/py"
  "$there/py/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$there/py/installed.txt"
fi
# promtool alone: the package would start a server.
if [[ ! -x "$there/prometheus/usr/bin/promtool" ]]; then
  (cd "$there" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } 2>/dev/null)
  dpkg -x "$there"/prometheus_*.deb "$there/prometheus"
fi
promtool="$there/prometheus/usr/bin/promtool"

echo "-- Dockerfile"
"$there/py/bin/hadolint" Dockerfile

echo "-- Kubernetes, Compose, configuration, dashboard"
"$there/py/bin/python" -B "$here/files.py" "$there"

echo "-- alerts"
"$promtool" check rules deploy/grafana/alerts.yaml "$there/dashboard-rules.yaml"
"$promtool" test rules deploy/grafana/alerts_test.yaml deploy/grafana/alerts_days_test.yaml

echo "-- systemd"
rm -rf "$there/units" && mkdir -p "$there/units"
for unit in deploy/systemd/*.service; do
  # The program is not installed here.
  sed 's|^ExecStart=/usr/local/bin/leadsync|ExecStart=/bin/true|' "$unit" > "$there/units/$(basename "$unit")"
done
for unit in leadsync.service leadsync-command@check.service; do
  file="$there/units/${unit/@*./@.}"
  # A key that systemd does not know is a warning, and no failure.
  said="$(systemd-analyze verify --man=no "$file" 2>&1)" || { echo "$said"; exit 1; }
  [[ -z "$said" ]] || { echo "$said"; exit 1; }
done
# The exposure that systemd computes, in tenths: 0 to 100.
systemd-analyze security --offline=yes --threshold=15 "$there/units/leadsync.service" | tail -n 1
rm -rf "$there/sysusers" && mkdir -p "$there/sysusers/etc"
systemd-sysusers --root="$there/sysusers" - < deploy/systemd/leadsync.sysusers
grep -q '^leadsync:.*:/var/lib/leadsync:' "$there/sysusers/etc/passwd"

echo "-- the image's last stage"
if [[ -z "${LEADSYNC_STATIC_BIN:-}" ]]; then
  # Only the program itself is compiled anew.
  cargo rustc --locked --quiet --all-features --bin leadsync -- -C target-feature=+crt-static
  LEADSYNC_STATIC_BIN="$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/leadsync"
fi
"$here/image.sh" --binary "$LEADSYNC_STATIC_BIN"
