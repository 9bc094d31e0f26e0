"""Runs the image that image.sh made, as docs/deployment.md says, and proves what is said there. It runs in a network of its own, in
which it answers names (port 53) and speaks TLS as https://operate.example (port 443)."""

import itertools
import json
import os
import re
import shutil
import socket
import ssl
import stat
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

WORK = Path(sys.argv[1])
VERSION, REVISION, LIMIT_MIB = sys.argv[2], sys.argv[3], sys.argv[4]
HERE = Path(__file__).resolve().parent
CONFIGURATION = HERE.parent / "compose/config/leadsync.toml"
BUNDLE = WORK / "bundle"
NONROOT = 65532
MIB = 1024 * 1024
passed = 0


def holds(what, is_so, detail=""):
    global passed
    if not is_so:
        sys.exit(f"NOT SO: {what} {detail}")
    passed += 1
    print(f"ok   {what}", flush=True)


def the_image():
    inspected = json.loads((WORK / "inspect.json").read_text())
    config = inspected["Docker"]["config"]
    labels = config["Labels"]
    holds("the image has the version and the revision as labels", (
        labels["org.opencontainers.image.version"], labels["org.opencontainers.image.revision"]) == (VERSION, REVISION))
    holds("its user is 65532, and not root", config["User"] == "65532:65532")
    holds("it is stopped by SIGTERM", config["StopSignal"] == "SIGTERM")
    holds("its health is asked by the program itself", config["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/leadsync", "health"])
    holds("the store has a volume", list(config["Volumes"]) == ["/var/lib/leadsync"])
    layout = WORK / "oci"
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]).read_text())
    compressed = sum(layer["size"] for layer in manifest["layers"])
    files = [file for file in (BUNDLE / "rootfs").rglob("*") if file.is_file() and not file.is_symlink()]
    unpacked = sum(file.stat().st_size for file in files)
    program = BUNDLE / "rootfs/usr/local/bin/leadsync"
    print(f"     image: {unpacked / MIB:.1f} MiB unpacked, {compressed / MIB:.1f} MiB compressed; program {program.stat().st_size / MIB:.1f} MiB")
    if LIMIT_MIB:
        holds(f"it has at most {LIMIT_MIB} MiB, unpacked", unpacked <= int(LIMIT_MIB) * MIB)
    holds("there is no shell in it", not (BUNDLE / "rootfs/bin/sh").exists())
    state = (BUNDLE / "rootfs/var/lib/leadsync").stat()
    holds("the folder of the store is its user's alone", (state.st_uid, stat.S_IMODE(state.st_mode)) == (NONROOT, 0o700))
    sources = [file for file in files if file.suffix in (".rs", ".toml", ".lock")]
    holds("nothing of the build is left in it", not sources, sources)


def blob(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


class Container:
    """One run of the image: read-only, no capability, no new privileges, /tmp and the store writable."""

    def __init__(self, name, arguments, environment=(), mounts=(), tmp=True):
        self.name = f"leadsync-test-{os.getpid()}-{name}"
        self.folder = WORK / "runs" / name
        self.folder.mkdir(parents=True)
        config = json.loads((BUNDLE / "config.json").read_text())
        config["root"] = {"path": str(BUNDLE / "rootfs"), "readonly": True}
        process = config["process"]
        process["terminal"] = False
        if arguments is not None:
            process["args"] = ["/usr/local/bin/leadsync", *arguments]
        process["env"] += list(environment)
        process["noNewPrivileges"] = True
        process["capabilities"] = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")}
        # The network of this script, which is no machine's.
        config["linux"]["namespaces"] = [each for each in config["linux"]["namespaces"] if each["type"] != "network"]
        config["linux"].pop("resources", None)
        config["mounts"] = [each for each in config["mounts"] if each["destination"] not in ("/var/lib/leadsync", "/etc/resolv.conf")]
        for source, target, mode in mounts:
            config["mounts"].append({"destination": target, "type": "bind", "source": str(source), "options": ["rbind", mode]})
        if tmp:
            options = ["nosuid", "nodev", "mode=1777", "size=64m"]
            config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": options})
        (self.folder / "config.json").write_text(json.dumps(config))
        self.out, self.err = self.folder / "stdout", self.folder / "stderr"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            command = ["runc", "run", "--bundle", str(self.folder), "--pid-file", str(self.folder / "pid"), self.name]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def wait(self, seconds=120):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            sys.exit(f"{self.name} did not end: {self.said()}")

    def said(self):
        return self.out.read_text() + self.err.read_text()

    def pid(self):
        return int((self.folder / "pid").read_text())

    def exec(self, *arguments):
        ran = subprocess.run(["runc", "exec", self.name, "/usr/local/bin/leadsync", *arguments], capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout, ran.stderr

    def kill(self, name):
        subprocess.run(["runc", "kill", self.name, name], check=True, timeout=30)

    def end(self):
        if self.process.poll() is None:
            subprocess.run(["runc", "kill", self.name, "KILL"], timeout=30, stderr=subprocess.DEVNULL)
            self.process.wait(30)


def until(what, is_so, seconds=90):
    started = time.monotonic()
    while not (found := is_so()):
        if time.monotonic() - started > seconds:
            sys.exit(f"still not: {what}")
        time.sleep(0.1)
    return found


def answer_names(asked):
    """A name server that knows operate.example, and nothing else."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def serve():
        while True:
            query, peer = server.recvfrom(4096)
            end = query.index(b"\0", 12) + 5
            kind = struct.unpack("!H", query[end - 4:end - 2])[0]
            name = query[12:end - 5]
            known = name == b"\x07operate\x07example"
            asked.add(name)
            answers = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton("127.0.0.1") if known and kind == 1 else b""
            flags = 0x8580 if known else 0x8583
            server.sendto(query[:2] + struct.pack("!HHHHH", flags, 1, bool(answers), 0, 0) + query[12:end] + answers, peer)

    threading.Thread(target=serve, daemon=True).start()


def speak_tls(backend):
    """https://operate.example, which passes everything on to the sandbox. Its certificate is signed by an authority made here."""
    keys = WORK / "keys"
    keys.mkdir()

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=keys, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=A test authority",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=operate.example")
    (keys / "extensions").write_text("subjectAltName=DNS:operate.example\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "server.crt",
            "-extfile", "extensions")
    bundle = (BUNDLE / "rootfs/etc/ssl/certs/ca-certificates.crt").read_text()
    (keys / "with-ours.crt").write_text(bundle + (keys / "ca.crt").read_text())

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "server.crt", keys / "server.key")
    listener = socket.create_server(("127.0.0.1", 443))

    def copy(source, target):
        try:
            while piece := source.recv(65536):
                target.sendall(piece)
        except OSError:
            pass
        finally:
            for each in (source, target):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def one(plain):
        try:
            near = context.wrap_socket(plain, server_side=True)
            far = socket.create_connection(backend)
        except OSError:
            plain.close()
            return
        threading.Thread(target=copy, args=(near, far), daemon=True).start()
        copy(far, near)

    def serve():
        while True:
            plain, _ = listener.accept()
            threading.Thread(target=one, args=(plain,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return keys / "with-ours.crt"


def get(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:8080{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for folder in ("runs", "keys", "given"):
        shutil.rmtree(WORK / folder, ignore_errors=True)
    the_image()

    version = Container("version", ["--version"])
    holds("the program starts", version.wait() == 0 and version.said().strip() == f"leadsync {VERSION}", version.said())

    sandbox = Container("sandbox", ["sandbox", "--leads", "60"])
    containers.append(sandbox)
    systems = json.loads(until("the sandbox's line", lambda: sandbox.out.read_text().partition("\n")[0]))
    operate, salesforce = systems["operate"], systems["salesforce"]
    host, port = operate["base_url"].removeprefix("http://").split(":")
    asked = set()
    answer_names(asked)
    authorities = speak_tls((host, int(port)))

    # What a person prepares: the configuration of deploy/compose as it is, secrets as files, an empty volume.
    given = WORK / "given"
    for folder in ("config", "secrets", "store"):
        (given / folder).mkdir(parents=True)
    shutil.copy(CONFIGURATION, given / "config/leadsync.toml")
    (given / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for side, system in systems.items():
        secret = given / "secrets" / side
        secret.write_text(system["client_secret"])
        secret.chmod(0o400)
        os.chown(secret, NONROOT, NONROOT)
    shutil.copymode(BUNDLE / "rootfs/var/lib/leadsync", given / "store")
    os.chown(given / "store", NONROOT, NONROOT)
    environment = [
        "LEADSYNC__OPERATE__BASE_URL=https://operate.example",
        f"LEADSYNC__OPERATE__AUTH__CLIENT_ID={operate['client_id']}",
        f"LEADSYNC__SALESFORCE__LOGIN_URL={salesforce['login_url']}",
        f"LEADSYNC__SALESFORCE__AUTH__CLIENT_ID={salesforce['client_id']}",
        "LEADSYNC__SCHEDULE__POLL=*/3 * * * * *",
    ]
    mounts = [
        (given / "config", "/etc/leadsync", "ro"),
        (given / "secrets", "/run/secrets", "ro"),
        (given / "store", "/var/lib/leadsync", "rw"),
        (given / "resolv.conf", "/etc/resolv.conf", "ro"),
    ]
    trusting = [*mounts, (authorities, "/etc/ssl/certs/ca-certificates.crt", "ro")]

    def command(name, *arguments, mounts=trusting, tmp=True):
        container = Container(name, list(arguments), environment, mounts, tmp)
        return container.wait(), container.said()

    status, said = command("offline", "check", "--offline")
    holds("the configuration for containers has no error", status in (0, 3) and "0 error(s)" in said, said)
    status, said = command("strangers", "check", "--sample", "5", mounts=mounts)
    holds("a server with an unknown authority is not trusted", status != 0 and "certificate" in said, said)
    holds("names are looked up at the container's name server", b"\x07operate\x07example" in asked, asked)
    status, said = command("check", "check")
    holds("`check` signs in to both systems, by name and TLS", "operate: signed in at https://operate.example" in said
          and "salesforce: signed in as" in said, said)
    status, said = command("plan", "plan")
    holds("`plan` says what it would write, and ends with 3", status == 3 and "nothing was written" in said, said)
    holds("and leaves the volume empty", not list((given / "store").iterdir()))
    status, said = command("no-tmp", "plan", tmp=False)
    holds("without a writable /tmp, `plan` says so and ends with 1", status == 1 and "temporary folder" in said, said)

    daemon = Container("daemon", None, environment, trusting)
    containers.append(daemon)

    def in_step():
        if daemon.process.poll() is not None:
            sys.exit(f"the daemon ended: {daemon.said()[-4000:]}")
        status, said, _ = daemon.exec("status", "--json")
        links = dict(json.loads(said)["links"]) if status == 0 else {}
        return links if links and "pending" not in links else None

    links = until("leads in step", in_step)
    holds("the daemon brings all leads in step, with the image's own command", list(links) == ["in_step"], links)
    # What the configuration could do better is said before, as text.
    lines = list(itertools.dropwhile(lambda line: not line.startswith("{"), daemon.err.read_text().splitlines()))
    holds("its log is JSON, one object a line", lines and all(isinstance(json.loads(line), dict) for line in lines))
    proc = Path("/proc") / str(daemon.pid())
    facts = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
    holds("it runs as 65532, not as root", facts["Uid"].split() == [str(NONROOT)] * 4 and facts["Gid"].split() == [str(NONROOT)] * 4, facts["Uid"])
    holds("with no capability and no way to new privileges", int(facts["CapBnd"], 16) == int(facts["CapEff"], 16) == 0 and facts["NoNewPrivs"] == "1")
    root = next(line for line in (proc / "mountinfo").read_text().splitlines() if line.split()[4] == "/")
    holds("on a read-only root file system", "ro" in root.split()[5].split(","), root)
    print(f"     resident memory {int(facts['VmRSS'].split()[0]) / 1024:.0f} MiB, at most {int(facts['VmHWM'].split()[0]) / 1024:.0f} MiB so far")
    store = (given / "store/leadsync.db").stat()
    holds("the store is its user's", store.st_uid == NONROOT)
    second = Container("second", None, environment, trusting)
    holds("a second daemon on the same store is refused with 1", second.wait() == 1, second.said())

    if "health" in subprocess.run(["runc", "exec", daemon.name, "/usr/local/bin/leadsync", "--help"], capture_output=True, text=True).stdout:
        served(daemon)
    else:
        print("LEFT OUT: health and metrics, which this program does not have yet")

    started = time.monotonic()
    daemon.kill("TERM")
    status = daemon.wait(60)
    took = time.monotonic() - started
    holds(f"SIGTERM ends it with 0, here after {took * 1000:.0f} ms", status == 0 and took < 10, daemon.said()[-2000:])
    holds("and leaves one file, with nothing in a log beside it", {file.name for file in (given / "store").iterdir()} <= {"leadsync.db", "leadsync.db.lock"},
          list((given / "store").iterdir()))
    again = Container("again", None, environment, trusting)
    containers.append(again)
    until("the daemon on its old volume", lambda: again.exec("status")[0] == 0)
    again.kill("KILL")
    holds("killed, it ends with 137", again.wait() == 137)
    print(f"{passed} passed, 0 failed")


def served(daemon):
    """Health and metrics, which Compose, Kubernetes, the dashboard and the alerts rest on."""
    until("readiness", lambda: get("/readyz")[0] == 200)
    holds("/livez and /readyz answer 200", get("/livez")[0] == 200)
    status, said, errors = daemon.exec("health")
    holds("`leadsync health` ends with 0", status == 0, said + errors)
    status, text = get("/metrics")
    holds("/metrics is served", status == 200)
    families = set(re.findall(r"(?m)^# TYPE (\w+) ", text)) | set(re.findall(r"(?m)^(\w+)(?:\{| )", text))
    wanted = (WORK.parent / "metrics.txt").read_text().split() if (WORK.parent / "metrics.txt").exists() else []
    # The count of pairs is that of a process with many of them: tests/suite/pairs_page asks for it there. Whether change events are heard is
    # told where they are wanted: tests/suite/events asks for that.
    wanted = [name for name in wanted if name not in ("leadsync_pairs", "leadsync_subscribed")]
    gone = [name for name in wanted if not families & {name, name.removesuffix("_total"), f"{name}_bucket"}]
    holds(f"it has all {len(wanted)} metrics that the dashboard and the alerts ask for", not gone, gone)


containers = []
if __name__ == "__main__":
    try:
        main()
    finally:
        for each in containers:
            each.end()
            subprocess.run(["runc", "delete", "--force", each.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
