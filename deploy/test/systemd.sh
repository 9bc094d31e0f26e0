#!/usr/bin/env bash
# The systemd units under a real systemd, which runc starts in a Debian made for it: the steps of docs/deployment.md, then what the
# units promise. Minutes, most of them for that Debian; as root, on Debian 12.
#
#   deploy/test/systemd.sh FILE           a static program, such as the one that image.sh leaves in bundle/rootfs/usr/local/bin
set -euo pipefail
cd "$(dirname "$0")/../.."
program="$(realpath "$1")"
missing=()
for tool in runc mmdebstrap; do command -v "$tool" >/dev/null || missing+=("$tool"); done
command -v python3 >/dev/null || missing+=(python3)
if ((${#missing[@]})); then
  apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"
fi

work="$PWD/target/deploy/systemd"
root="$work/rootfs"
mkdir -p "$work"
if [[ ! -e "$work/debian.tar" ]]; then
  mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,sudo,procps,ca-certificates bookworm "$work/part.tar"
  mv "$work/part.tar" "$work/debian.tar"
fi
rm -rf "$root" && mkdir "$root" && tar -xf "$work/debian.tar" -C "$root" --exclude='./dev/*'

echo "-- installed as docs/deployment.md says"
install -m 0755 "$program" "$root/usr/local/bin/leadsync"
install -D -m 0644 deploy/systemd/leadsync.sysusers "$root/etc/sysusers.d/leadsync.conf"
install -m 0644 deploy/systemd/leadsync.service deploy/systemd/leadsync-command@.service "$root/etc/systemd/system/"
install -d -m 0755 "$root/etc/leadsync" && install -d -m 0700 "$root/etc/leadsync/secrets"

name="leadsync-systemd-$$"
python3 - "$work" <<'PYTHON'
import json, subprocess, sys
work = sys.argv[1]
subprocess.run(["rm", "-f", f"{work}/config.json"], check=True)
subprocess.run(["runc", "spec", "--bundle", work], check=True)
config = json.load(open(f"{work}/config.json"))
config["root"] = {"path": "rootfs", "readonly": False}
names = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_ADMIN NET_RAW IPC_LOCK "
         "SYS_CHROOT SYS_PTRACE SYS_ADMIN SYS_NICE SYS_TTY_CONFIG MKNOD AUDIT_WRITE SETFCAP SYSLOG")
capabilities = [f"CAP_{each}" for each in names.split()]
config["process"] |= {
    "terminal": False, "noNewPrivileges": False, "args": ["/lib/systemd/systemd"],
    "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")}}
config["process"].pop("rlimits", None)
config["process"]["env"].append("container=runc")
config["hostname"] = "localhost"
linux = config["linux"]
linux |= {"maskedPaths": [], "readonlyPaths": [], "namespaces": [{"type": each} for each in ("pid", "ipc", "uts", "mount", "network", "cgroup")]}
linux.pop("resources", None)
config["mounts"] = [each for each in config["mounts"] if each["destination"] not in ("/sys/fs/cgroup", "/dev/mqueue")] + [
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw", "nosuid", "noexec", "nodev"]},
    {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "nosuid", "nodev"]}]
for each in config["mounts"]:
    if each["destination"] == "/sys":
        each["options"] = ["nosuid", "noexec", "nodev", "rw"]
json.dump(config, open(f"{work}/config.json", "w"))
PYTHON
runc run --bundle "$work" "$name" > "$work/console" 2>&1 &
trap 'runc kill "$name" KILL 2>/dev/null || true; sleep 1; runc delete --force "$name" 2>/dev/null || true' EXIT
inside() { runc exec "$name" "$@"; }
# Tries for a minute.
until_so() {
  local what="$1" left=120
  shift
  until "$@" >/dev/null 2>&1; do
    ((left-- > 0)) || { echo "still not: $what"; inside journalctl --no-pager --lines 40 || cat "$work/console"; exit 1; }
    sleep 0.5
  done
  echo "ok   $what"
}
holds() {
  local what="$1"
  shift
  "$@" || { echo "NOT SO: $what"; inside journalctl --no-pager --lines 40; exit 1; }
  echo "ok   $what"
}
until_so "systemd runs" inside systemctl is-system-running
# As on a machine that systemd has started: the folder of credentials is a mount that must come through.
inside mount --make-rshared /

inside systemd-run --quiet --unit sandbox --property StandardOutput=file:/run/sandbox.json /usr/local/bin/leadsync sandbox --leads 60
until_so "the sandbox runs" inside grep -q base_url /run/sandbox.json
inside cat /run/sandbox.json > "$work/sandbox.json"
python3 - "$work/sandbox.json" "$root/etc/leadsync" <<'PYTHON'
import json, os, pathlib, sys
systems = json.load(open(sys.argv[1]))
etc = pathlib.Path(sys.argv[2])
text = pathlib.Path("deploy/compose/config/leadsync.toml").read_text()
for old, new in {
    "file:/run/secrets/": "file:/run/credentials/leadsync.service/",
    "https://operate-api.essensys.tech": systems["operate"]["base_url"], 'client_id = "leadsync"': f'client_id = "{systems["operate"]["client_id"]}"',
    "https://acme.my.salesforce.com": systems["salesforce"]["login_url"], "3MVG9…": systems["salesforce"]["client_id"],
    "[sync]\n": '[schedule]\npoll = "*/3 * * * * *"\n\n[sync]\n',
}.items():
    assert old in text, old
    text = text.replace(old, new)
(etc / "leadsync.toml").write_text(text)
for side, system in systems.items():
    secret = etc / "secrets" / side
    secret.write_text(system["client_secret"])
    os.chmod(secret, 0o600)
PYTHON

inside systemd-sysusers && inside systemctl daemon-reload
for command in check plan; do
  holds "leadsync-command@$command ends well" inside systemctl start "leadsync-command@$command"
done
holds "check has signed in to both" inside sh -c 'journalctl --unit leadsync-command@check --output cat | grep -q "salesforce: signed in as"'
holds "plan has written nothing" inside sh -c 'journalctl --unit leadsync-command@plan --output cat | grep -q "nothing was written" && [ -z "$(ls /var/lib/leadsync)" ]'
inside systemctl enable --quiet --now leadsync
status='sudo --user leadsync LEADSYNC_CONFIG=/etc/leadsync/leadsync.toml leadsync status'
until_so "leads come in step, and \`status\` works for the user leadsync" inside sh -c "$status | grep -q '^links .* in_step\$'"
main() { inside systemctl show --property MainPID --value leadsync; }
pid="$(main)"
holds "no capability, no new privileges, system calls filtered" inside sh -c \
  "grep -q '^CapBnd:.0000000000000000' /proc/$pid/status && grep -q '^NoNewPrivs:.1' /proc/$pid/status && grep -q '^Seccomp:.2' /proc/$pid/status"
holds "it runs as the user leadsync" inside sh -c "[ \$(stat -c %U /proc/$pid) = leadsync ]"
if inside /usr/local/bin/leadsync --help | grep -q ' health '; then
  inside systemctl reload leadsync
  sleep 3
  holds "reloaded, it goes on as the same process" [ "$(main)" = "$pid" ]
  holds "and is ready" inside sudo --user leadsync LEADSYNC_CONFIG=/etc/leadsync/leadsync.toml leadsync health
else
  echo "LEFT OUT: reload and health, which this program does not have yet"
fi
inside kill -KILL "$pid"
until_so "killed, it is started again" inside sh -c "[ \$(systemctl show --property NRestarts --value leadsync) = 1 ] && systemctl is-active leadsync"
started=$(date +%s%N)
inside systemctl stop leadsync
echo "     stopped after $((($(date +%s%N) - started) / 1000000)) ms"
holds "stopped, it ended with 0" inside sh -c '[ "$(systemctl show --property ExecMainStatus --property Result --value leadsync | sort | xargs)" = "0 success" ]'
inside sh -c 'echo "[sync" >> /etc/leadsync/leadsync.toml'
inside systemctl start leadsync || true
sleep 12
holds "with a wrong configuration it is not started again" inside sh -c \
  '[ "$(systemctl show --property ExecMainStatus --property NRestarts --value leadsync | sort | xargs)" = "0 2" ]'
echo "the units do under systemd what docs/deployment.md says"
