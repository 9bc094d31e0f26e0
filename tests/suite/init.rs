//! `init`, and what can be done with the file that it writes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::run_with;
use crate::systems::Systems;

/// The program in the folder of these systems, with their secrets in the environment.
fn program(systems: &Systems, arguments: &[&str]) -> Command {
    let addresses = systems.sandbox.addresses();
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadsync"));
    command.args(arguments).current_dir(folder(systems)).stdin(Stdio::null());
    command.env("OPERATE_CLIENT_SECRET", addresses.operate.client_secret);
    command.env("SALESFORCE_CLIENT_SECRET", addresses.salesforce.client_secret);
    command
}

fn folder(systems: &Systems) -> PathBuf {
    let folder = systems.folder.path().join("new");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

async fn init(systems: &Systems, more: &[&str]) -> (i32, String, String) {
    let addresses = systems.sandbox.addresses();
    let mut command = program(systems, &["init", "--timezone", "Europe/London", "--login-url", &addresses.salesforce.login_url]);
    command.args(["--base-url", &addresses.operate.base_url, "--operate-client-id", &addresses.operate.client_id]);
    // The environment does as well.
    command.env("LEADSYNC__SALESFORCE__AUTH__CLIENT_ID", &addresses.salesforce.client_id).args(more);
    run_with(command).await
}

#[tokio::test]
async fn what_init_writes_in_a_pipe_is_checked_and_planned_at_once() {
    let systems = Systems::of(60, 40, 30).await;
    let (status, said, errors) = init(&systems, &[]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    assert!(said.starts_with("leadsync.toml: 19 field(s) mapped, "), "{said}");
    let file = folder(&systems).join("leadsync.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let addresses = systems.sandbox.addresses();
    for secret in [addresses.operate.client_secret, addresses.salesforce.client_secret] {
        assert!(!text.contains(&secret) && !said.contains(&secret));
    }
    for expected in [
        "match = [[\"email\"], [\"company\", \"postcode\"]]",
        "  [\"Phone enquiry\", \"Phone Inquiry\"],",
        "# name = \"status\"",
        "  # [\"\", \"Purchased List\"],   # 0 lead(s)",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    let (status, said, errors) = run_with(program(&systems, &["check", "--offline"])).await;
    assert_eq!((status, said.as_str()), (0, "leadsync.toml: 19 fields, 0 warning(s), 0 error(s)\n"), "{errors}");
    let (_, said, _) = run_with(program(&systems, &["check"])).await;
    assert!(said.contains(", 0 error(s)\n"), "{said}");
    let (status, said, errors) = run_with(program(&systems, &["plan"])).await;
    assert!(status == 3 && said.contains("create salesforce lead") && said.contains("nothing was written\n"), "{said}{errors}");
    assert_eq!((systems.traffic().2, files(&folder(&systems))), (0, vec!["leadsync.toml".to_owned()]));
}

#[tokio::test]
async fn a_file_that_is_there_stays_and_nothing_is_asked_for_in_vain() {
    let systems = Systems::of(3, 3, 3).await;
    let file = folder(&systems).join("leadsync.toml");
    std::fs::write(&file, "precious").unwrap();
    let before = systems.traffic();
    let (status, _, errors) = init(&systems, &[]).await;
    assert!(status == 2 && errors.contains("leadsync.toml is there already: name another file, or say --force"), "{errors}");
    assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), systems.traffic()), ("precious", before));
    assert_eq!(init(&systems, &["--force", "--sample", "2"]).await.0, 0);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("# Made by `leadsync init` from 2 leads of Operate and 2 of"));
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named_and_leaves_nothing() {
    let systems = Systems::of(3, 3, 3).await;
    let (status, _, errors) = run_with(program(&systems, &["init", "--base-url", "https://operate.example"])).await;
    assert!(status == 2 && errors.contains("needed: --operate-client-id, --login-url, --salesforce-client-id"), "{errors}");
    let (status, _, errors) = init(&systems, &["--operate-secret", "hunter2-hunter2"]).await;
    assert!(status == 2 && errors.contains("write env:NAME or file:PATH") && !errors.contains("hunter2"), "{errors}");
    let (status, _, errors) = init(&systems, &["--salesforce-secret", "env:NOT_SET_ANYWHERE"]).await;
    assert!(
        status == 2 && errors.contains("salesforce.auth.client_secret: the environment variable NOT_SET_ANYWHERE"),
        "{errors}"
    );
    std::fs::write(folder(&systems).join("wrong"), "not-the-secret").unwrap();
    let (status, _, errors) = init(&systems, &["--salesforce-secret", "file:wrong"]).await;
    assert!(status == 1 && errors.contains("Salesforce refuses the sign-in"), "{errors}");
    assert_eq!(files(&folder(&systems)), ["wrong"]);
}

#[tokio::test]
async fn without_a_system_there_is_the_whole_example_to_fill_in() {
    let systems = Systems::of(1, 1, 1).await;
    let (status, _, errors) = run_with(program(&systems, &["init", "--offline", "mine.toml"])).await;
    assert_eq!((status, errors.as_str(), systems.traffic()), (0, "", (0, 0, 0)));
    let text = std::fs::read_to_string(folder(&systems).join("mine.toml")).unwrap();
    assert!(text.contains("# max_delete = 10") && text.contains("[[fields]]"), "{text}");
    let (status, said, errors) = run_with(program(&systems, &["--config", "mine.toml", "check", "--offline"])).await;
    assert_eq!(status, 0, "{said}{errors}");
}
