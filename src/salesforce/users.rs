//! Users, for fields such as `OwnerId`: the org holds their ids, the mapping their e-mail addresses.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Fields, SalesforceClient};
use crate::directory::{Directory, Entry};
use crate::lead::unresolved;
use crate::side::{NativeFields, Record, Refusal, SideError};

/// What a refusal calls them.
const WHAT: &str = "active Salesforce user with the e-mail address";

/// What the ids of queues begin with.
const QUEUE: &str = "00G";

/// What the mapping reads in the place of an id: the e-mail address, or what is wrong.
fn address_of(directory: &mut Directory, id: &str) -> Json {
    if id.is_empty() {
        return Json::Null;
    }
    if let Some(email) = directory.name(id) {
        return json!(email);
    }
    let keep = "write unknown = \"keep\" in the field, and each side keeps its own";
    let what = if id.starts_with(QUEUE) {
        format!("a queue and no user: give the lead to a user, or {keep}")
    } else {
        format!(
            "no user that leadsync may see: give the integration user View All Users, give the lead to another user, or {keep}"
        )
    };
    unresolved(id, &what)
}

impl SalesforceClient {
    /// What users' ids stand for, where that was read anew.
    pub(super) async fn user_names(&self) -> BTreeMap<String, String> {
        let mut users = self.users.lock().await;
        let news = users.as_mut().and_then(Directory::news).unwrap_or_default();
        news.into_iter().map(|(id, name)| (format!("User/{id}"), name.to_owned())).collect()
    }

    /// Puts e-mail addresses in the place of users' ids.
    pub(super) async fn name_users(&self, fields: &Fields, records: &mut [Record]) -> Result<(), SideError> {
        let mut users = self.users.lock().await;
        let ids = records.iter().flat_map(|record| fields.users.iter().filter_map(|name| record.fields.get(name)));
        let is_enough = users.as_ref().is_some_and(|directory| directory.serves(ids.filter_map(Json::as_str)));
        if !is_enough {
            *users = Some(self.read_users().await?);
        }
        let Some(directory) = users.as_mut() else { return Ok(()) };
        for record in records {
            for name in &fields.users {
                if let Some(value) = record.fields.get_mut(name) {
                    *value = address_of(directory, value.as_str().unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// The fields of a write, with users' ids in the place of e-mail addresses; or why it cannot be sent.
    pub(super) async fn with_user_ids(&self, fields: &NativeFields) -> Result<Result<NativeFields, Refusal>, SideError> {
        let mapped = self.fields();
        let mut fields = fields.clone();
        for name in &mapped.users {
            let Some(email) = fields.get(name).and_then(Json::as_str).map(str::to_owned) else { continue };
            let mut users = self.users.lock().await;
            let mut found = users.as_ref().map(|directory| directory.id(&email));
            if !matches!(found, Some(Ok(_))) && users.as_ref().is_none_or(Directory::is_old) {
                *users = Some(self.read_users().await?);
                found = users.as_ref().map(|directory| directory.id(&email));
            }
            match found.unwrap_or_else(|| Err("no user is known".to_owned())) {
                Ok(id) => fields.insert(name.as_str(), json!(id)),
                Err(problem) => return Ok(Err(Refusal::new("unknown_reference", format!("{name}: {problem}")))),
            };
        }
        Ok(Ok(fields))
    }

    /// Whether there is a user of this address. As long as users were not read, that is not held against it.
    pub(super) fn has_user(&self, field: &str, value: &Json) -> bool {
        let (true, Some(email)) = (self.fields().users.iter().any(|name| name == field), value.as_str()) else { return true };
        let Ok(users) = self.users.try_lock() else { return true };
        email.is_empty() || users.as_ref().is_none_or(|directory| directory.id(email).is_ok())
    }

    /// All users, by their e-mail addresses.
    pub async fn read_users(&self) -> Result<Directory, SideError> {
        let (rows, _) = self.rows("users", false, "SELECT Id, Email, IsActive FROM User", usize::MAX).await?;
        let entry = |row: &NativeFields| {
            let text = |name: &str| row.get(name).and_then(Json::as_str).map(str::to_owned);
            let active = row.get("IsActive").and_then(Json::as_bool).unwrap_or(true);
            Some(Entry { id: text("Id")?, name: text("Email")?, active })
        };
        Ok(Directory::new(WHAT, rows.rows.iter().filter_map(entry).collect()))
    }
}
