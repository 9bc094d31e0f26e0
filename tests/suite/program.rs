//! The built program, as users run it: exit statuses, signals, crashes, and what it says when something is wrong.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use leadsync::store::Store;
use serde_json::{Value as Json, json};

use crate::systems::Systems;

const PROGRAM: &str = env!("CARGO_BIN_EXE_leadsync");

pub fn program(configuration: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--config").arg(configuration).args(arguments).stdin(Stdio::null());
    command.env_remove("LEADSYNC_LOG");
    command
}

/// Runs the program to its end, while the sandbox in this process goes on.
pub async fn run(systems: &Systems, arguments: &[&str]) -> (i32, String, String) {
    run_with(program(&systems.configuration, arguments)).await
}

pub async fn run_with(mut command: Command) -> (i32, String, String) {
    let ran = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    read(&ran)
}

fn read(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Starts the daemon. Its log goes to a file: nobody would empty a pipe meanwhile, and a full one stops whoever writes.
pub fn start(systems: &Systems) -> Running {
    start_with(program(&systems.configuration, &["run"]), &log(systems))
}

pub fn start_with(mut command: Command, log: &Path) -> Running {
    let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
    Running(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
}

/// A process that does not outlive its test.
pub struct Running(Child);

impl std::ops::Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl std::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended, there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Shows the end of the daemon's log where a test fails.
pub struct ShowLog(pub PathBuf);

impl Drop for ShowLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.0).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the daemon's log, {} lines:\n{}", lines.len(), lines[lines.len().saturating_sub(15)..].join("\n"));
        }
    }
}

pub fn log(systems: &Systems) -> PathBuf {
    systems.folder.path().join("log")
}

pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

pub async fn wait(mut child: Running) -> i32 {
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap());
    tokio::time::timeout(Duration::from_mins(1), status).await.unwrap().unwrap().code().unwrap_or(-1)
}

/// Looks every few milliseconds until it is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(2), "still not: {what}");
        look.tick().await;
    }
}

#[tokio::test]
async fn once_says_what_it_did_and_verify_finds_nothing() {
    let systems = Systems::of(60, 40, 20).await;
    let (status, said, errors) = run(&systems, &["once", "--json"]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["seen"], &said["parked"], &said["links"]), (&json!(100), &json!(0), &json!({ "in_step": 80 })));
    systems.assert_in_step(80);

    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!((status, said.as_str()), (0, "80 pair(s) compared, 0 difference(s)\n"));
    let (status, said, _) = run(&systems, &["plan"]).await;
    assert_eq!((status, said.as_str()), (0, "0 write(s) planned; nothing was written\n"));
    let (status, said, _) = run(&systems, &["status"]).await;
    assert!(status == 0 && said.contains("links       80 in_step"), "{said}");
}

#[tokio::test]
async fn plan_writes_nothing_and_says_every_field() {
    let systems = Systems::of(10, 10, 10).await;
    run(&systems, &["once"]).await;
    let store = Store::open_existing(&systems.config().store).await.unwrap();
    let (ours, theirs) = store.pair_in_step(3).await.unwrap().unwrap();
    systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    let before = (systems.traffic().2, std::fs::read(systems.folder.path().join("leadsync.db")).unwrap());
    let (status, said, _) = run(&systems, &["plan"]).await;
    assert_eq!(status, 3);
    assert!(said.starts_with(&format!("update salesforce lead {theirs} (for operate lead {ours})\n    phone ")), "{said}");
    assert!(said.contains("-> 020 7946 0001  [changed]\n1 write(s) planned; nothing was written\n"), "{said}");
    let after = (systems.traffic().2, std::fs::read(systems.folder.path().join("leadsync.db")).unwrap());
    assert!(before == after, "the sides or the store changed");

    // `verify` looks at the same difference as drift.
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!(status, 3);
    assert!(said.contains(&format!("operate {ours} / salesforce {theirs}: differ in phone\n")), "{said}");
    assert_eq!(systems.traffic().2, after.0);
}

#[tokio::test]
async fn what_waits_for_a_person_is_listed_and_settled() {
    let systems = Systems::of(10, 10, 10).await;
    systems.configure("[sync]\n", "[sync]\nconflict = \"manual\"\n");
    run(&systems, &["once"]).await;
    run(&systems, &["once"]).await;
    let store = Store::open_existing(&systems.config().store).await.unwrap();
    for conflict in store.open_conflicts().await.unwrap() {
        run(&systems, &["resolve", &conflict.conflict_id.to_string(), "--take", "operate"]).await;
    }
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (ours, theirs) = store.pair_in_step(3).await.unwrap().unwrap();
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    operate.edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    salesforce.edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
    let bad = operate.create(
        &json!({ "leadname": "Pomelo", "lastname": "P", "email": "pomelo", "location": "Hub City", "leadsource": "Website", "leadstatus": "New" }),
    );
    let bad = bad.unwrap();

    let (status, _, _) = run(&systems, &["once"]).await;
    assert_eq!(status, 3);
    let (status, said, _) = run(&systems, &["conflicts", "--json"]).await;
    let conflicts: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &conflicts[0]["field"], &conflicts[0]["salesforce_value"]),
        (3, &json!("phone"), &json!("020 7946 0002"))
    );
    let (status, said, _) = run(&systems, &["parked"]).await;
    assert!(status == 3 && said.contains(&bad) && said.contains("Email: invalid email address: pomelo"), "{said}");
    let (status, said, _) = run(&systems, &["show", &ours]).await;
    assert!(status == 0 && said.contains("conflict"), "{said}");

    let number = conflicts[0]["conflict_id"].to_string();
    assert_eq!(run(&systems, &["resolve", &number, "--take", "salesforce"]).await.0, 0);
    assert_eq!(run(&systems, &["resolve", "999", "--take", "salesforce"]).await.0, 1);
    operate.edit(&bad, &json!({ "email": "pia@pomelo.example" })).unwrap();
    assert_eq!(run(&systems, &["retry", "--all"]).await.0, 0);
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(operate.lead(&ours).unwrap()["phone"], json!("020 7946 0002"));
    systems.assert_in_step(11);
}

#[tokio::test]
async fn the_daemon_keeps_going_until_sigterm_and_ends_well() {
    let systems = Systems::of(30, 20, 10).await;
    let daemon = start(&systems);
    until("both sides have all", || {
        systems.sandbox.salesforce().leads().len() == 40 && systems.sandbox.operate().leads().len() == 40
    })
    .await;
    let id = systems.sandbox.operate().create(&json!({ "leadname": "Late", "lastname": "Late", "email": "late@late.example",
        "location": "Hub City", "leadsource": "Website", "leadstatus": "New" }));
    id.unwrap();
    until("an edit arrives", || systems.sandbox.salesforce().leads().len() == 41).await;
    signal(&daemon, "-TERM");
    let status = wait(daemon).await;
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("daemon.started") && log.contains("daemon.stopped"), "{log}");
    // Nothing of a person, and no secret, is in the log.
    let secrets = systems.sandbox.addresses();
    for word in ["@", "late", &secrets.operate.client_secret, &secrets.salesforce.client_secret] {
        assert!(!log.to_lowercase().contains(word), "{word} is in the log");
    }
    let (status, ..) = run(&systems, &["once"]).await;
    assert_eq!(status, 0);
    systems.assert_in_step(41);
}

/// Kills the daemon again and again during the first sync, each time a little later, then lets it finish.
async fn killed_and_restarted(operate: usize, salesforce: usize, common: usize) {
    let systems = Systems::of(operate, salesforce, common).await;
    let _shown = ShowLog(log(&systems));
    let all = operate + salesforce - common;
    let mut kills = 0;
    // Moments drawn from the seed 7; each is counted in lead writes done by then, so that it falls into the work.
    let mut draw: u64 = 7;
    while kills < 25 {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let writes = systems.traffic().2 + (draw >> 33) % (all as u64 / 12 + 1);
        let mut daemon = start(&systems);
        let is_done = || systems.sandbox.operate().leads().len() >= all && systems.sandbox.salesforce().leads().len() >= all;
        until("it writes", || systems.traffic().2 >= writes || is_done()).await;
        daemon.kill().unwrap();
        wait(daemon).await;
        kills += 1;
        if is_done() {
            break;
        }
    }
    assert!(kills >= 8, "killed only {kills} times");
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(all);
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!((status, said), (0, format!("{all} pair(s) compared, 0 difference(s)\n")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_ends_the_same() {
    killed_and_restarted(2_000, 1_500, 1_000).await;
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_told_who_holds_it() {
    let systems = Systems::of(3, 3, 3).await;
    let first = start(&systems);
    until("the store is there", || systems.traffic().0 > 0).await;
    let (status, _, errors) = run(&systems, &["run"]).await;
    assert_eq!(status, 1);
    assert!(errors.contains(&format!("process {}", first.id())), "{errors}");
    let (status, said, _) = run(&systems, &["status"]).await;
    assert_eq!(status, 0, "{said}");
    signal(&first, "-INT");
    assert_eq!(wait(first).await, 0);
}

#[tokio::test]
async fn a_wrong_configuration_is_told_with_its_line() {
    let systems = Systems::of(1, 1, 1).await;
    systems.configure("overlap = \"30s\"", "overlapp = \"30s\"");
    for command in [vec!["run"], vec!["once"], vec!["check", "--offline"], vec!["status"]] {
        let (status, said, errors) = run(&systems, &command).await;
        assert_eq!((status, said.as_str()), (2, ""), "{command:?}");
        assert!(errors.starts_with("error: schedule.overlapp: no key of this name is known here\n"), "{errors}");
        assert!(errors.contains("= help: did you mean `overlap`?"), "{errors}");
    }
    let (status, _, errors) = run_with(program(Path::new("/nowhere.toml"), &["once"])).await;
    assert!(status == 2 && errors.contains("/nowhere.toml"), "{errors}");
    let (status, _, errors) = run_with(program(&systems.configuration, &["onse"])).await;
    assert!(status == 2 && errors.contains("once"), "{errors}");
}

#[tokio::test]
async fn check_offline_says_what_was_read() {
    let systems = Systems::of(1, 1, 1).await;
    let (status, said, errors) = run(&systems, &["check", "--offline"]).await;
    assert_eq!((status, errors.as_str()), (0, ""));
    assert!(said.ends_with("leadsync.toml: 20 fields, 0 warning(s), 0 error(s)\n"), "{said}");
}

#[tokio::test]
async fn a_variable_names_the_configuration_unless_the_command_line_does() {
    let systems = Systems::of(1, 1, 1).await;
    let mut by_variable = Command::new(PROGRAM);
    by_variable.env("LEADSYNC_CONFIG", &systems.configuration).args(["check", "--offline"]).stdin(Stdio::null());
    let (status, said, errors) = run_with(by_variable).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    let mut by_both = program(&systems.configuration, &["check", "--offline"]);
    by_both.env("LEADSYNC_CONFIG", "/nowhere.toml");
    let (status, said, errors) = run_with(by_both).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
}

#[tokio::test]
async fn check_asks_both_systems_and_writes_nothing() {
    let systems = Systems::of(5, 5, 1).await;
    let (status, said, errors) = run(&systems, &["check"]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    for expected in [
        "ok       operate: signed in at http://127.0.0.1:",
        "ok       salesforce: signed in as leadsync@sandbox.example of the org 00D5g0000000001EAA",
        "ok       salesforce.external_id_field: Operate_Lead_Id__c is an External ID, Unique, and may be written",
        "leadsync.toml: 20 fields, 0 warning(s), 0 error(s)\n",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert_eq!(systems.traffic().2, 0);
    systems.configure("salesforce = \"Title\"", "salesforce = \"Tilte\"");
    systems.configure("\"Lost\", \"Closed - Not Converted\"", "\"Lost\", \"Closed - Never\"");
    let (status, said, _) = run(&systems, &["check", "--json"]).await;
    let checked: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status, 3);
    let found: Vec<String> = checked["findings"].as_array().unwrap().iter().map(|finding| finding["found"].to_string()).collect();
    assert!(found.iter().any(|found| found.contains("Lead has no field Tilte that this user may see")), "{found:?}");
    assert!(found.iter().any(|found| found.contains("the picklist Status has no value")), "{found:?}");
}

#[tokio::test]
async fn a_side_that_cannot_be_reached_is_named() {
    let systems = Systems::of(1, 1, 1).await;
    let address = systems.sandbox.addresses().operate.base_url;
    // Nothing listens there once the sandbox is gone.
    let Systems { sandbox, folder, configuration } = systems;
    sandbox.stop().await;
    let (status, said, errors) = run_with(program(&configuration, &["once"])).await;
    assert_eq!((status, said.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("cannot be reached") && (errors.contains(&address) || errors.contains("Salesforce")), "{errors}");
    drop(folder);
}

#[tokio::test]
async fn wrong_credentials_are_told_and_not_shown() {
    let systems = Systems::of(1, 1, 1).await;
    std::fs::write(systems.folder.path().join("salesforce-secret"), "not-the-secret").unwrap();
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 1);
    assert!(errors.contains("Salesforce refuses the sign-in: invalid_client: invalid client credentials"), "{errors}");
    assert!(errors.contains("check salesforce.auth.client_secret") && !errors.contains("not-the-secret"), "{errors}");
}

#[tokio::test]
async fn a_store_that_cannot_be_made_is_told_with_its_path() {
    let systems = Systems::of(1, 1, 1).await;
    let folder = systems.folder.path().join("missing");
    systems.configure(&format!("{}/leadsync.db", systems.folder.path().display()), &format!("{}/leadsync.db", folder.display()));
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert!(status == 1 && errors.contains(&folder.display().to_string()), "{errors}");
    assert_eq!(systems.traffic(), (0, 0, 0), "nothing is sent without a store");
}

#[tokio::test]
async fn the_demo_ends_by_itself_and_keeps_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--for", "8s", "--leads", "50", "--dir"]).arg(folder.path());
    let (status, said, errors) = run_with(command).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    assert!(said.contains("first sync done: 70 links") && said.contains("Summary after 8 s"), "{said}");
    assert!(folder.path().join("leadsync.db").exists() && folder.path().join("leadsync.toml").exists());

    // Its leads are gone now, so another run cannot go on with its store.
    let mut command = Command::new(PROGRAM);
    command.args(["demo", "--for", "8s", "--dir"]).arg(folder.path());
    let (status, _, errors) = run_with(command).await;
    assert!(status == 1 && errors.contains("leadsync.db is the store of another run"), "{errors}");
}

#[tokio::test]
async fn the_demo_ends_with_ctrl_c_and_leaves_nothing_behind() {
    let mut command = Command::new(PROGRAM);
    let mut demo = command.args(["demo", "--leads", "20"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(demo.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("first sync done") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "the demo ended early");
    }
    signal(&demo, "-INT");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut said, &mut rest).unwrap();
    assert!(demo.wait().unwrap().success(), "{rest}");
    let folder = rest.lines().last().unwrap().split(' ').next().unwrap().to_owned();
    assert!(rest.contains("Summary after") && folder.contains("leadsync-demo-") && !Path::new(&folder).exists(), "{rest}");
}

async fn get(address: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(address).send().await.unwrap().bytes().await.unwrap().to_vec()
}

/// How many leads each system of a sandbox has, Operate first.
async fn leads_at_the_start(arguments: &[&str]) -> [usize; 2] {
    let mut sandbox = Command::new(PROGRAM).arg("sandbox").args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(sandbox.stdout.take().unwrap()), &mut line).unwrap();
    let addresses: Json = serde_json::from_str(&line).unwrap();
    let mut leads = [0; 2];
    for (leads, (system, url)) in leads.iter_mut().zip([("operate", "base_url"), ("salesforce", "login_url")]) {
        let answer = get(&format!("{}/_sandbox/leads", addresses[system][url].as_str().unwrap())).await;
        *leads = serde_json::from_slice::<Vec<Json>>(&answer).unwrap().len();
    }
    signal(&sandbox, "-TERM");
    assert!(sandbox.wait().unwrap().success());
    leads
}

#[tokio::test]
async fn the_sandbox_prints_where_it_is_and_stays_on_loopback() {
    assert_eq!(leads_at_the_start(&["--leads", "5"]).await, [5, 3]);
    for empty in ["operate", "salesforce"] {
        let leads = ["operate", "salesforce"].map(|system| if system == empty { 0 } else { 7 });
        assert_eq!(leads_at_the_start(&["--leads", "7", "--empty", empty]).await, leads);
    }
    let mut command = Command::new(PROGRAM);
    command.args(["sandbox", "--operate", "0.0.0.0:0"]);
    let (status, _, errors) = run_with(command).await;
    assert!(status == 1 && errors.contains("loopback"), "{errors}");
}

#[test]
fn the_schema_is_printed_without_a_configuration() {
    let printed = program(Path::new("/nowhere/leadsync.toml"), &["schema"]).output().unwrap();
    let (status, said, errors) = read(&printed);
    assert_eq!((status, errors.as_str()), (0, ""));
    assert!(said == include_str!("../../config/leadsync.schema.json"));
}
