//! The built program under hardship: stopped, without disk space, on a store that is read-only or damaged, under a clock that
//! jumps, on a network that fails. Whatever happens, it says what is wrong and what to do, and afterwards the same store goes on
//! to the same end.

mod clock;
mod damaged;
pub mod disk;
mod ending;
mod full;
mod network;
mod proxy;
mod read_only;
mod stopped;

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::program::run;
use crate::systems::Systems;

/// Where the store of these systems is.
fn store(systems: &Systems) -> PathBuf {
    systems.folder.path().join("leadsync.db")
}

/// A companion of the store, such as `-wal`.
fn companion(store: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", store.display()))
}

/// Puts the store into another folder.
fn place_store(systems: &Systems, folder: &Path) -> PathBuf {
    let place = folder.join("leadsync.db");
    systems.configure(&store(systems).display().to_string(), &place.display().to_string());
    place
}

/// The Salesforce lead with the e-mail address of this lead in Operate.
fn twin(systems: &Systems, lead: &Json) -> Option<Json> {
    systems.sandbox.salesforce().leads().into_iter().find(|twin| twin["Email"] == lead["email"])
}

/// Somebody edits a lead in each system; gives what shows that both edits have arrived.
pub fn edit_both(systems: &Systems, word: &str) -> impl Fn() -> bool + use<> {
    let (operate, salesforce) = (systems.sandbox.operate().clone(), systems.sandbox.salesforce().clone());
    let leads = operate.leads();
    let (first, second) = (leads[0].clone(), leads[1].clone());
    let twin_of = |lead: &Json| twin(systems, lead).unwrap()["Id"].as_str().unwrap().to_owned();
    let (there, here) = (twin_of(&first), second["leadid"].to_string());
    operate.edit(&first["leadid"].to_string(), &json!({ "jobtitle": word })).unwrap();
    salesforce.edit(&twin_of(&second), &json!({ "Title": word })).unwrap();
    let word = word.to_owned();
    move || salesforce.lead(&there).unwrap()["Title"] == json!(word) && operate.lead(&here).unwrap()["jobtitle"] == json!(word)
}

/// Whether both systems have so many leads.
pub fn have(systems: &Systems, leads: usize) -> bool {
    systems.sandbox.operate().leads().len() == leads && systems.sandbox.salesforce().leads().len() == leads
}

/// A cycle leads to the end that there would have been without the hardship: all leads are on both sides, once, and alike.
pub async fn assert_ends_well(systems: &Systems, leads: usize) {
    let (status, said, errors) = run(systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(leads);
    let (status, said, errors) = run(systems, &["verify"]).await;
    assert_eq!((status, said), (0, format!("{leads} pair(s) compared, 0 difference(s)\n")), "{errors}");
}
