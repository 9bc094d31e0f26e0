// The sandbox and a daemon on it, as a user has them: conflicts are left to people, and a token lets them act from the page.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const TOKEN = "a token of more than sixteen characters";
const PROGRAM = process.env.LEADSYNC_BIN;

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export async function until(what, look, patience = 60_000) {
  const end = Date.now() + patience;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await pause(100);
  }
}

export async function start() {
  const folder = mkdtempSync(join(tmpdir(), "leadsync-page-"));
  const sandbox = spawn(PROGRAM, ["sandbox", "--leads", "40"], { stdio: ["ignore", "pipe", "inherit"] });
  const said = await new Promise((done, failed) => {
    createInterface({ input: sandbox.stdout }).once("line", done);
    sandbox.once("exit", () => failed(new Error("the sandbox ended")));
  });
  const systems = JSON.parse(said);
  const configuration = join(folder, "leadsync.toml");
  const example = readFileSync("config/leadsync.toml", "utf8");
  const mapping = example.slice(example.indexOf("\n[[fields]]"));
  const { operate, salesforce } = systems;
  writeFileSync(configuration, `
[store]
url = "sqlite:${join(folder, "leadsync.db")}"
[operate]
base_url = "${operate.base_url}"
timezone = "Europe/London"
requests_per_second = 1000
auth = { client_id = "${operate.client_id}", client_secret = "env:OPERATE_SECRET" }
[salesforce]
login_url = "${salesforce.login_url}"
requests_per_second = 1000
auth = { flow = "client_credentials", client_id = "${salesforce.client_id}", client_secret = "env:SALESFORCE_SECRET" }
[schedule]
poll = "* * * * * *"
overlap = "30s"
[sync]
match = [["email"], ["company", "postcode"]]
conflict = "manual"
[ops]
listen = "127.0.0.1:0"
token = "env:PAGE_TOKEN"
${mapping.replaceAll(/^conflict = .*$/gm, "")}`);
  const env = { ...process.env, OPERATE_SECRET: operate.client_secret, SALESFORCE_SECRET: salesforce.client_secret, PAGE_TOKEN: TOKEN };
  const daemon = spawn(PROGRAM, ["--config", configuration, "run"], { env, stdio: ["ignore", "ignore", "pipe"] });
  const log = [];
  createInterface({ input: daemon.stderr }).on("line", (line) => log.push(line));
  const address = await until("a port is open", () => {
    const line = log.find((line) => line.includes("ops.listening"));
    return line?.split("address=")[1]?.trim();
  }).catch((error) => { throw new Error(`${error.message}\n${log.join("\n")}`); });

  const control = async (side, what, body) => {
    const base = side === "operate" ? operate.base_url : salesforce.login_url;
    const answer = await fetch(`${base}/_sandbox/${what}`, body && { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${what}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const stop = async () => {
    for (const process of [daemon, sandbox]) {
      process.kill("SIGTERM");
      await new Promise((done) => process.exitCode === null ? process.once("exit", done) : done());
    }
    rmSync(folder, { recursive: true, force: true });
  };
  return { address: `http://${address}`, control, stop, log, command: (...given) => run(["--config", configuration, ...given], env) };
}

function run(given, env) {
  return new Promise((done) => {
    const child = spawn(PROGRAM, given, { env, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (part) => { text += part; });
    child.once("exit", () => done(text));
  });
}
