//! The org's rows, with the rules that concern several of them: ids, unique external ids, the recycle bin, conversion.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::events::Touched;
use crate::sandbox::salesforce::fields::{Access, CONVERTED_STATUS, EXTERNAL_ID, Field, Kind, Source};
use crate::sandbox::salesforce::ids::{self, Key};
use crate::sandbox::salesforce::lead_fields::{LEAD, STATUSES};
use crate::sandbox::salesforce::objects::Entity;
use crate::sandbox::salesforce::recycle::{Late, Purged};
use crate::sandbox::salesforce::setup::{DEFAULT_RECORD_TYPE, Setup};
use crate::sandbox::salesforce::soql::Held;
use crate::sandbox::salesforce::switches::{Right, SalesforceSwitches};
use crate::sandbox::salesforce::values::{self, Checked};
pub use crate::sandbox::salesforce::writer::Writer;
use crate::sandbox::seed::SeedLead;

/// The user that the app runs as.
pub const USER: &str = "0055g0000000001AAA";
/// A person in sales.
pub const OTHER_USER: &str = "0055g0000000002AAA";

/// A row.
#[derive(Debug, Clone)]
pub struct Row {
    pub key: Key,
    pub created: DateTime<Utc>,
    pub stamp: DateTime<Utc>,
    pub deleted: bool,
    pub converted: bool,
    /// Whether sharing rules keep it from the API's user.
    pub hidden: bool,
    /// The last change, while others cannot see it yet.
    pub late: Option<Late>,
    /// Fields without a value are left out.
    pub values: HashMap<&'static str, Json>,
}

impl Row {
    /// A field, to be compared.
    pub fn held(&self, field: &Field) -> Held<'_> {
        match field.source {
            Source::Id => Held::Id(self.key),
            Source::Deleted => Held::Boolean(self.deleted),
            Source::Created => Held::DateTime(self.created),
            Source::Modified | Source::Stamp => Held::DateTime(self.stamp),
            Source::Address => Held::Null,
            Source::Stored => match self.values.get(field.name) {
                None | Some(Json::Null | Json::Array(_) | Json::Object(_)) if field.kind == Kind::Boolean => Held::Boolean(false),
                None | Some(Json::Null | Json::Array(_) | Json::Object(_)) => Held::Null,
                Some(Json::Bool(flag)) => Held::Boolean(*flag),
                Some(Json::Number(number)) => Held::Number(number.as_f64().unwrap_or_default()),
                Some(Json::String(text)) if matches!(field.kind, Kind::Reference(_)) => {
                    ids::parse(text).map_or(Held::Null, Held::Id)
                }
                Some(Json::String(text)) => Held::Text(text),
            },
        }
    }
}

impl Row {
    /// A field as JSON gives it.
    pub fn json(&self, field: &Field) -> Json {
        match field.source {
            Source::Id => json!(ids::full(&self.key)),
            Source::Deleted => json!(self.deleted),
            Source::Created => json!(stamp(self.created)),
            Source::Modified | Source::Stamp => json!(stamp(self.stamp)),
            Source::Address => self.address(),
            Source::Stored if field.kind == Kind::Boolean => self.values.get(field.name).cloned().unwrap_or(json!(false)),
            Source::Stored => self.values.get(field.name).cloned().unwrap_or_default(),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Json::as_str)
    }

    /// The parts of a lead's name together.
    fn whole_name(&self) -> String {
        let parts = ["FirstName", "MiddleName", "LastName", "Suffix"].into_iter().filter_map(|name| self.text(name));
        parts.collect::<Vec<&str>>().join(" ")
    }

    fn address(&self) -> Json {
        let part = |name: &str| self.text(name);
        json!({
            "city": part("City"), "country": part("Country"), "geocodeAccuracy": part("GeocodeAccuracy"),
            "latitude": self.values.get("Latitude"), "longitude": self.values.get("Longitude"),
            "postalCode": part("PostalCode"), "state": part("State"), "street": part("Street"),
        })
    }

    /// What an answer says a record is, and where it is.
    pub fn attributes(&self, entity: Entity, version: &str) -> Json {
        let object = match entity {
            Entity::Name if self.key.starts_with(b"00G") => Entity::Group.name(),
            Entity::Name => Entity::User.name(),
            other => other.name(),
        };
        let url = format!("/services/data/{version}/sobjects/{object}/{}", ids::full(&self.key));
        json!({ "type": entity.name(), "url": url })
    }

    /// The row as a record of an answer, with these fields.
    pub fn record(&self, entity: Entity, version: &str, fields: &[&'static Field]) -> Json {
        let mut record = Map::from_iter([("attributes".to_owned(), self.attributes(entity, version))]);
        record.extend(fields.iter().map(|field| (field.name.to_owned(), self.json(field))));
        Json::Object(record)
    }
}

/// A time as JSON gives it.
pub fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// The leads.
#[derive(Debug, Clone, Default)]
pub struct Table {
    rows: BTreeMap<Key, Row>,
    /// External ids in small letters, of rows that are not deleted.
    external: HashMap<String, Key>,
    made: u64,
    /// Leads that are gone for good.
    pub purged: Vec<Purged>,
    /// What was changed and not told yet.
    pub touched: Touched,
    /// The org's variants.
    pub switches: SalesforceSwitches,
    /// What administrators have set up.
    pub setup: Arc<Setup>,
}

impl Table {
    pub fn of(seeds: Vec<SeedLead>, switches: SalesforceSwitches, setup: Arc<Setup>) -> Self {
        let mut table = Self { switches, setup, ..Self::default() };
        for seed in seeds {
            let checked = values::read(&seed.fields).unwrap_or_default();
            let key = table.insert(checked, &Writer::person(seed.created));
            if let Some(row) = table.rows.get_mut(&key) {
                row.stamp = seed.modified;
            }
            if seed.converted {
                table.mark_converted(&key, seed.modified);
            }
        }
        table.touched = Touched::default();
        table
    }

    fn touch(&mut self, key: &Key) {
        self.touched.note(*key, self.rows.get(key));
    }

    pub fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// A row by an id of 15 or 18 characters, the deleted ones among them.
    pub fn by_id(&self, id: &str) -> Result<Option<&Row>, Fail> {
        let key = ids::parse(id).filter(|key| key.starts_with(b"00Q"));
        let key = key.ok_or_else(|| Fail::bad("MALFORMED_ID", format!("Lead ID: id value of incorrect type: {id}")))?;
        Ok(self.rows.get(&key))
    }

    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }

    pub fn by_external_id(&self, value: &str) -> Option<&Row> {
        self.external.get(&value.to_lowercase()).and_then(|key| self.rows.get(key))
    }

    /// Makes a lead.
    pub fn create(&mut self, given: Checked, writer: &Writer) -> Result<Key, Fail> {
        self.switches.permit(Right::Create, writer)?;
        self.switches.allow(&given)?;
        let checked = values::check(given, true)?;
        self.allow_references(&checked)?;
        self.refuse_taken(&checked, None)?;
        self.refuse_duplicate(&checked, None, writer)?;
        let key = self.insert(checked, writer);
        self.follow_rules(&key, writer);
        Ok(key)
    }

    fn insert(&mut self, checked: Checked, writer: &Writer) -> Key {
        self.made += 1;
        let key = ids::make(*b"00Q", self.made);
        let (created, stamp) = (writer.now, writer.now);
        let row =
            Row { key, created, stamp, deleted: false, converted: false, hidden: false, late: None, values: HashMap::new() };
        self.touch(&key);
        self.rows.insert(key, row);
        let status = STATUSES.first().copied().unwrap_or_default();
        let given = [
            ("Status", json!(status)),
            ("OwnerId", json!(writer.by)),
            ("RecordTypeId", json!(DEFAULT_RECORD_TYPE)),
            ("CreatedById", json!(writer.by)),
        ];
        self.set(&key, given);
        self.apply(&key, checked, writer);
        key
    }

    /// What the org's rules change on top of a write.
    fn follow_rules(&mut self, key: &Key, writer: &Writer) {
        let Some(set) = self.rows.get(key).map(|row| self.switches.consequences(row, writer)) else { return };
        if !set.is_empty() {
            self.apply(key, set, writer);
        }
    }

    /// Changes a lead.
    pub fn update(&mut self, key: &Key, given: Checked, writer: &Writer) -> Result<(), Fail> {
        self.switches.permit(Right::Edit, writer)?;
        match self.rows.get(key) {
            None => return Err(Fail::not_found()),
            Some(row) if row.deleted => return Err(Fail::deleted()),
            Some(row) if row.converted => {
                return Err(Fail::bad("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead").with_fields(Vec::new()));
            }
            Some(_) => {}
        }
        self.switches.allow(&given)?;
        let checked = values::check(given, false)?;
        self.allow_references(&checked)?;
        self.refuse_taken(&checked, Some(key))?;
        self.refuse_duplicate(&checked, Some(key), writer)?;
        self.apply(key, checked, writer);
        self.follow_rules(key, writer);
        Ok(())
    }

    /// Puts a lead into the recycle bin.
    pub fn delete(&mut self, key: &Key, writer: &Writer) -> Result<(), Fail> {
        self.switches.permit(Right::Delete, writer)?;
        self.touch(key);
        let Some(row) = self.rows.get_mut(key) else { return Err(Fail::not_found()) };
        if row.deleted {
            return Err(Fail::deleted());
        }
        row.deleted = true;
        row.stamp = writer.now;
        row.values.insert("LastModifiedById", json!(writer.by));
        self.external.retain(|_, held| held != key);
        Ok(())
    }

    /// Converts a lead.
    pub fn convert(&mut self, key: &Key, now: DateTime<Utc>) -> Result<(), Fail> {
        match self.rows.get(key) {
            None => Err(Fail::not_found()),
            Some(row) if row.deleted => Err(Fail::deleted()),
            Some(row) if row.converted => Err(Fail::bad("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")),
            Some(_) => {
                self.mark_converted(key, now);
                Ok(())
            }
        }
    }

    fn mark_converted(&mut self, key: &Key, now: DateTime<Utc>) {
        self.touch(key);
        let Some(row) = self.rows.get_mut(key) else { return };
        row.converted = true;
        row.stamp = now;
        let twin = |prefix: &[u8; 3]| {
            let mut twin = *key;
            for (place, byte) in twin.iter_mut().zip(prefix) {
                *place = *byte;
            }
            json!(ids::full(&twin))
        };
        let given = [
            ("IsConverted", json!(true)),
            ("Status", json!(CONVERTED_STATUS)),
            ("ConvertedDate", json!(now.date_naive().to_string())),
            ("ConvertedAccountId", twin(b"001")),
            ("ConvertedContactId", twin(b"003")),
        ];
        self.set(key, given);
    }

    fn set<const N: usize>(&mut self, key: &Key, given: [(&'static str, Json); N]) {
        if let Some(row) = self.rows.get_mut(key) {
            row.values.extend(given);
        }
    }

    pub fn row_mut(&mut self, key: &Key) -> Option<&mut Row> {
        self.touch(key);
        self.rows.get_mut(key)
    }

    pub fn take(&mut self, key: &Key) -> Option<Row> {
        self.touch(key);
        self.rows.remove(key)
    }

    /// Notes the external id that a row holds.
    pub fn hold_external_id(&mut self, key: &Key) {
        let held = self.rows.get(key).and_then(|row| row.text(EXTERNAL_ID)).map(str::to_lowercase);
        self.external.extend(held.map(|held| (held, *key)));
    }

    fn apply(&mut self, key: &Key, checked: Checked, writer: &Writer) {
        self.touch(key);
        let Some(row) = self.rows.get_mut(key) else { return };
        row.stamp = writer.now;
        row.values.insert("LastModifiedById", json!(writer.by));
        for (field, value) in checked {
            if field.name == EXTERNAL_ID {
                if let Some(old) = row.values.get(EXTERNAL_ID).and_then(Json::as_str) {
                    self.external.remove(&old.to_lowercase());
                }
                if let Some(new) = value.as_str() {
                    self.external.insert(new.to_lowercase(), *key);
                }
            }
            if value.is_null() {
                row.values.remove(field.name);
            } else {
                row.values.insert(field.name, value);
            }
        }
        let name = row.whole_name();
        row.values.insert("Name", json!(name));
    }

    /// Refuses references to records that are not there, or cannot be what they are wanted for.
    fn allow_references(&self, checked: &Checked) -> Result<(), Fail> {
        for (field, value) in checked.iter().filter(|(field, _)| matches!(field.kind, Kind::Reference(_))) {
            match (field.name, value.as_str()) {
                ("OwnerId", id) => self.setup.allow_owner(id)?,
                ("RecordTypeId", Some(id)) => self.setup.allow_record_type(id)?,
                (_, Some(_)) if field.access != Access::ReadOnly => {
                    return Err(Fail::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").with_fields(Vec::new()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn refuse_taken(&self, checked: &Checked, own: Option<&Key>) -> Result<(), Fail> {
        let wanted = checked.iter().find(|(field, _)| field.name == EXTERNAL_ID).and_then(|(_, value)| value.as_str());
        match wanted.and_then(|wanted| self.external.get(&wanted.to_lowercase())) {
            Some(holder) if Some(holder) != own => {
                let id = ids::short(holder);
                let message = format!("duplicate value found: {EXTERNAL_ID} duplicates value on record with id: {id}");
                Err(Fail::bad("DUPLICATE_VALUE", message).with_fields(Vec::new()))
            }
            _ => Ok(()),
        }
    }
}

/// Everything that a lead holds, for whoever looks from behind.
pub fn whole(row: &Row) -> Json {
    let shown = LEAD.iter().filter(|field| field.source != Source::Address).map(|field| (field.name.to_owned(), row.json(field)));
    Json::Object(shown.filter(|(_, value)| !value.is_null()).collect())
}
