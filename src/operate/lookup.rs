//! Reference lists: leads hold ids of locations, sources, reasons and users; the mapping has their names, or e-mail addresses.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::record::{as_text, id_json, unreadable};
use super::{OperateClient, whole_failure};
use crate::config::field::Lookup;
use crate::directory::{Directory, Entry};
use crate::http::{Repeat, Request, json_problem};
use crate::lead::{Side, unresolved};
use crate::side::{NativeFields, Outcome, Record, Refusal, SideError, Write, outcomes_of};

/// Fields of a lead that refer to a list, by Operate's own names, with the list.
pub const REFERENCES: [(&str, &str); 5] = [
    ("location", "Location"),
    ("leadsource", "LeadSource"),
    ("rejectionreason", "LeadRejectionReason"),
    ("overturnreason", "LeadOverturnReason"),
    ("owner", "User"),
];

/// What messages call an entry.
const fn what(lookup: Lookup) -> &'static str {
    match lookup {
        Lookup::Location => "Operate location",
        Lookup::LeadSource => "Operate lead source",
        Lookup::LeadRejectionReason => "Operate rejection reason",
        Lookup::LeadOverturnReason => "Operate overturn reason",
        Lookup::User => "Operate user with the e-mail address",
    }
}

/// What the mapping reads in the place of an id: the name, or what is wrong.
fn name_of(directory: &mut Directory, lookup: Lookup, id: &str) -> Json {
    if id.is_empty() {
        return Json::Null;
    }
    if let Some(name) = directory.name(id) {
        return json!(name);
    }
    let list = lookup.as_str();
    let what = if directory.id(id).is_ok() {
        format!("a name in Operate's list {list} and no id: leads hold names here, so take lookup = \"{list}\" out of the field")
    } else {
        format!(
            "no id in Operate's list {list}: correct the lead, or write unknown = \"keep\" in the field, and each side keeps its own"
        )
    };
    unresolved(&format!("{id:?}"), &what)
}

impl OperateClient {
    /// Puts names in the place of ids.
    pub(super) async fn name_references(&self, records: &mut [Record]) -> Result<(), SideError> {
        for (field, lookup) in &self.lookups {
            let mut directories = self.directories.lock().await;
            let ids: Vec<String> = records.iter().filter_map(|record| record.fields.get(field)).filter_map(as_text).collect();
            let known = directories.get(lookup.as_str());
            let is_enough = known.is_some_and(|directory| directory.serves(ids.iter().map(String::as_str)));
            if !is_enough {
                directories.insert(lookup.as_str(), self.read_list(*lookup).await?);
            }
            let Some(directory) = directories.get_mut(lookup.as_str()) else { continue };
            for record in records.iter_mut() {
                if let Some(value) = record.fields.get_mut(field) {
                    *value = name_of(directory, *lookup, &as_text(value).unwrap_or_default());
                }
            }
        }
        Ok(())
    }

    /// What lists stand for, where that was read anew, by list and id.
    pub(super) async fn reference_names(&self) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for (list, directory) in self.directories.lock().await.iter_mut() {
            let news = directory.news().into_iter().flatten();
            names.extend(news.map(|(id, name)| (format!("{list}/{id}"), name.to_owned())));
        }
        names
    }

    /// Writes leads after names were replaced by ids. A name that its list does not have is refused before anything is sent.
    pub(super) async fn write_resolved(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        if self.lookups.is_empty() {
            return self.write_all(writes).await;
        }
        let (mut outcomes, mut ready) = (Vec::new(), Vec::new());
        for write in writes {
            outcomes.push(match self.with_ids(&write.fields).await? {
                Ok(fields) => {
                    ready.push(Write { fields, ..write.clone() });
                    None
                }
                Err(refusal) => Some(Outcome::Refused(refusal)),
            });
        }
        Ok(outcomes_of(outcomes, self.write_all(&ready).await?))
    }

    async fn with_ids(&self, fields: &NativeFields) -> Result<Result<NativeFields, Refusal>, SideError> {
        let mut fields = fields.clone();
        for (field, lookup) in &self.lookups {
            let Some(name) = fields.get(field).and_then(as_text).filter(|name| !name.is_empty()) else { continue };
            let mut directories = self.directories.lock().await;
            let mut found = directories.get(lookup.as_str()).map(|directory| directory.id(&name));
            let is_old = directories.get(lookup.as_str()).is_none_or(Directory::is_old);
            if !matches!(found, Some(Ok(_))) && is_old {
                let directory = self.read_list(*lookup).await?;
                found = Some(directory.id(&name));
                directories.insert(lookup.as_str(), directory);
            }
            match found.unwrap_or_else(|| Err(format!("there is no {} {name:?}", what(*lookup)))) {
                Ok(id) => fields.insert(field.as_str(), id_json(&id)),
                Err(problem) => return Ok(Err(Refusal::new("unknown_reference", format!("{field}: {problem}")))),
            };
        }
        Ok(Ok(fields))
    }

    /// Whether a lookup's list has this name. A list that was not read yet, or is being read, is not held against it.
    pub(super) fn has_reference(&self, field: &str, value: &Json) -> bool {
        let Some((_, lookup)) = self.lookups.iter().find(|(name, _)| name == field) else { return true };
        let Some(name) = as_text(value).filter(|name| !name.is_empty()) else { return true };
        let Ok(directories) = self.directories.try_lock() else { return true };
        directories.get(lookup.as_str()).is_none_or(|directory| directory.id(&name).is_ok())
    }

    /// An entry's name by its id, and the other way round.
    pub async fn read_list(&self, lookup: Lookup) -> Result<Directory, SideError> {
        let names = &self.config.lookups;
        let name_field = if lookup == Lookup::User { &names.email_field } else { &names.name_field };
        let request = Request::new("lookup", Method::GET, ["api", "1.0", lookup.as_str()], Repeat::Safe)
            .query("fields", format!("[{},{name_field}]", names.id_field));
        let answer = self.transport.call(&self.sign_in, &request).await.map_err(|trouble| trouble.into_error(Side::Operate))?;
        if !answer.status.is_success() {
            return Err(whole_failure(&answer));
        }
        let rows: Vec<NativeFields> = serde_json::from_slice(&answer.body).map_err(|error| {
            unreadable(format!("the list {} is not a list of entries: {}", lookup.as_str(), json_problem(&error)))
        })?;
        let entry = |row: &NativeFields| {
            let text = |name: &String| row.get(name).and_then(as_text).filter(|text| !text.is_empty());
            Some(Entry { id: text(&names.id_field)?, name: text(name_field)?, active: true })
        };
        let entries: Vec<Entry> = rows.iter().filter_map(entry).collect();
        tracing::debug!(list = lookup.as_str(), entries = entries.len(), "lookup.read");
        Ok(Directory::new(what(lookup), entries))
    }
}
