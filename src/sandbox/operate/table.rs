//! Operate's leads, and its own rules for them.

use chrono::DateTime;
use serde_json::{Map, Value as Json};

use crate::sandbox::operate::lists::Lists;
use crate::sandbox::operate::query::{Cell, TIMESTAMP};
use crate::sandbox::operate::schema::{self, Column, FIELDS, Kind, REQUIRED, Refusal, same_text};
use crate::sandbox::operate::switches::OperateSwitches;
use crate::sandbox::people_words as words;
use crate::sandbox::seed::SeedLead;

/// The status of a converted lead, which only conversion gives.
const CONVERTED: &str = "Converted";

/// The id of the first lead of a sandbox.
const FIRST_ID: u32 = 1001;

/// A lead. Its times are local ones, in seconds since 1970 began there, as Operate knows no offset.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: u32,
    created: i64,
    modified: i64,
    converted: bool,
    /// A value for each field of the schema, and one for the field that a tenant may have added.
    cells: Vec<String>,
}

impl Row {
    fn empty(id: u32, at: i64) -> Self {
        Self { id, created: at, modified: at, converted: false, cells: vec![String::new(); FIELDS.len() + 1] }
    }

    fn text(&self, column: Column) -> &str {
        self.cells.get(column.slot).map_or("", String::as_str)
    }

    fn set(&mut self, column: Column, value: String) {
        if let Some(cell) = self.cells.get_mut(column.slot) {
            *cell = value;
        }
    }

    /// A field's text, by its name.
    pub fn named(&self, name: &str) -> &str {
        schema::column(name).map_or("", |column| self.text(column))
    }

    fn set_named(&mut self, name: &str, value: &str) {
        if let Some(column) = schema::column(name) {
            self.set(column, value.to_owned());
        }
    }

    /// When it was made, and last changed.
    pub fn times(&self) -> (i64, i64) {
        (self.created, self.modified)
    }

    /// Whether it was converted.
    pub fn is_converted(&self) -> bool {
        self.converted
    }

    /// The value, to be compared.
    pub fn cell(&self, column: Column) -> Cell<'_> {
        match column.kind {
            Kind::Id => Cell::Number(Some(f64::from(self.id))),
            Kind::Created => Cell::Time(self.created),
            Kind::Modified => Cell::Time(self.modified),
            Kind::Converted => Cell::Text(if self.converted { "1" } else { "0" }),
            Kind::Whole | Kind::Number => Cell::Number(self.text(column).parse().ok()),
            Kind::Date => Cell::Date(self.text(column)),
            Kind::Text | Kind::Notes | Kind::Listed(_) | Kind::Status => Cell::Text(self.text(column)),
        }
    }

    /// The value as Operate writes it.
    pub fn json(&self, column: Column) -> Json {
        match column.kind {
            Kind::Id => self.id.into(),
            Kind::Created => timestamp(self.created).into(),
            Kind::Modified => timestamp(self.modified).into(),
            Kind::Converted => if self.converted { "1" } else { "0" }.into(),
            Kind::Whole | Kind::Number => number_json(self.text(column)),
            Kind::Listed(_) => match self.text(column).parse::<u32>() {
                Ok(id) => id.into(),
                Err(_) => self.text(column).into(),
            },
            Kind::Date | Kind::Text | Kind::Notes | Kind::Status => self.text(column).into(),
        }
    }

    /// The whole lead.
    pub fn whole(&self, columns: &[(&str, Column)]) -> Map<String, Json> {
        columns.iter().map(|(name, column)| ((*name).to_owned(), self.json(*column))).collect()
    }

    /// What the tenant's workflows make of a lead after a write.
    fn apply_rules(&mut self, switches: &OperateSwitches, lists: &Lists) {
        if switches.workflows.website_source && self.named("webtolead") == "1" {
            self.set_named("leadsource", &lists.value_of(&schema::SOURCE, "website"));
        }
        if switches.workflows.broker_updated && same_text(self.named("brokerstatus"), "Accepted") {
            self.set_named("brokerupdated", "yes");
        }
        for rule in &switches.field_updates {
            let meets = |name: &String| rule.when_value.as_ref().is_none_or(|wanted| same_text(self.named(name), wanted));
            if rule.when_field.as_ref().is_none_or(meets) {
                for (name, value) in &rule.set {
                    self.set_named(name, value);
                }
            }
        }
    }
}

/// A time as Operate writes it.
pub fn timestamp(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).map(|time| time.format(TIMESTAMP).to_string()).unwrap_or_default()
}

/// A number as Operate writes it; nothing where there is none.
pub fn number_json(text: &str) -> Json {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    text.parse::<f64>().map_or_else(|_| "".into(), Json::from)
}

/// All leads, in the order of ids.
#[derive(Debug)]
pub struct Table {
    pub rows: Vec<Row>,
    next_id: u32,
    /// Leads that were deleted, for an administrator to bring back.
    deleted: Vec<Row>,
    /// The reference lists.
    pub lists: Lists,
}

impl Table {
    /// The leads that are there at the start; `local` gives a time's local seconds.
    pub fn of(leads: Vec<SeedLead>, local: impl Fn(DateTime<chrono::Utc>) -> i64, by_id: bool) -> Self {
        let (rows, lists) = (Vec::with_capacity(leads.len()), Lists::new(by_id));
        let mut table = Self { rows, next_id: FIRST_ID, deleted: Vec::new(), lists };
        for lead in leads {
            let mut row = Row::empty(table.next_id, local(lead.created));
            row.modified = local(lead.modified);
            row.converted = lead.converted;
            for (name, value) in &lead.fields {
                let Some(column) = schema::column(name) else { continue };
                row.set(column, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
            table.rows.push(row);
            table.next_id += 1;
        }
        table.respell();
        table
    }

    /// Has every lead hold the values of reference lists as leads hold them now.
    pub fn respell(&mut self) {
        for row in &mut self.rows {
            for (name, kind) in FIELDS {
                let Kind::Listed(list) = kind else { continue };
                let value = self.lists.value_of(list, &self.lists.name_of(list, row.named(name)));
                row.set_named(name, &value);
            }
        }
    }

    /// Brings back a lead that was deleted, as it was.
    pub fn restore(&mut self, id: u32, at: i64) -> Result<(), Refusal> {
        let place = self.deleted.iter().position(|row| row.id == id);
        let mut row = place.map(|place| self.deleted.remove(place)).ok_or_else(|| Refusal::not_found("Lead", &id.to_string()))?;
        row.modified = at;
        let place = self.rows.partition_point(|other| other.id < id);
        self.rows.insert(place, row);
        Ok(())
    }

    /// A lead.
    pub fn get(&self, id: u32) -> Option<&Row> {
        self.place(id).and_then(|place| self.rows.get(place))
    }

    fn place(&self, id: u32) -> Option<usize> {
        self.rows.binary_search_by_key(&id, |row| row.id).ok()
    }

    fn get_mut(&mut self, id: u32) -> Result<&mut Row, Refusal> {
        let place = self.place(id);
        place.and_then(|place| self.rows.get_mut(place)).ok_or_else(|| Refusal::not_found("Lead", &id.to_string()))
    }

    /// Makes a lead.
    pub fn create(&mut self, fields: &Map<String, Json>, at: i64, switches: &OperateSwitches) -> Result<u32, Refusal> {
        let mut row = Row::empty(self.next_id, at);
        for (column, value) in checked_fields(fields, &row, switches, &self.lists)? {
            row.set(column, value);
        }
        refuse_incomplete(&row)?;
        row.apply_rules(switches, &self.lists);
        if switches.workflows.auto_assign && row.named("owner").is_empty() {
            let turn = usize::try_from(row.id).unwrap_or_default() % words::STAFF.len();
            let owner = words::STAFF.get(turn).copied().unwrap_or_default();
            row.set_named("owner", &self.lists.value_of(&schema::USER, owner));
        }
        self.rows.push(row);
        self.next_id += 1;
        Ok(self.next_id - 1)
    }

    /// Changes a lead, or only its time where every value is what it was.
    pub fn update(&mut self, id: u32, fields: &Map<String, Json>, at: i64, switches: &OperateSwitches) -> Result<(), Refusal> {
        // On a copy, so that a refusal leaves the lead as it was.
        let mut changed = self.get_mut(id)?.clone();
        for (column, value) in checked_fields(fields, &changed, switches, &self.lists)? {
            changed.set(column, value);
        }
        refuse_incomplete(&changed)?;
        changed.apply_rules(switches, &self.lists);
        changed.modified = at;
        *self.get_mut(id)? = changed;
        Ok(())
    }

    /// Deletes a lead for good.
    pub fn delete(&mut self, id: u32) -> Result<(), Refusal> {
        let place = self.place(id).ok_or_else(|| Refusal::not_found("Lead", &id.to_string()))?;
        let row = self.rows.remove(place);
        self.deleted.push(row);
        Ok(())
    }

    /// Converts a lead: it stays, marked.
    pub fn convert(&mut self, id: u32, at: i64) -> Result<(), Refusal> {
        let row = self.get_mut(id)?;
        if row.converted {
            return Err(Refusal::value(format!("Lead {id} is already converted")));
        }
        row.converted = true;
        row.modified = at;
        row.set_named("leadstatus", CONVERTED);
        Ok(())
    }
}

fn refuse_incomplete(row: &Row) -> Result<(), Refusal> {
    match REQUIRED.iter().find(|name| row.named(name).is_empty()) {
        Some(missing) => Err(Refusal::input(format!("{missing} is required"))),
        None => Ok(()),
    }
}

/// The fields of a write as they are stored, none of them Operate's own.
fn checked_fields(
    fields: &Map<String, Json>,
    row: &Row,
    switches: &OperateSwitches,
    lists: &Lists,
) -> Result<Vec<(Column, String)>, Refusal> {
    let mut checked = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        let Some(column) = schema::tenant_column(name, switches.external_id_field.as_deref()) else {
            let own = name == "row_num";
            let what = if own { "read-only" } else { "unknown" };
            return Err(Refusal::input(format!("{what} field [{name}]")));
        };
        if column.kind.is_read_only() {
            return Err(Refusal::input(format!("read-only field [{name}]")));
        }
        let text = schema::checked(name, column.kind, value, lists)?;
        if column.kind == Kind::Status && !is_status(&text, row.converted) {
            return Err(Refusal::value(format!("There is no LeadStatus '{text}' ({name})")));
        }
        checked.push((column, text));
    }
    Ok(checked)
}

fn is_status(text: &str, converted: bool) -> bool {
    text.is_empty()
        || (converted && same_text(text, CONVERTED))
        || words::OPERATE_STATUSES.iter().any(|status| same_text(status, text))
}
