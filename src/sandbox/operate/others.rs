//! Other objects, which can only be read here: accounts, contacts, products, the calendar. A converted lead has an account, and the
//! person of a lead is a contact of it, and of its account. Which fields they have beyond the few that the vendor names is assumed.

use axum::http::StatusCode;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json};

use super::number;
use super::query::{Cell, Query};
use super::records::numbered;
use super::schema::{Column, Kind, Refusal};
use super::table::{Row, number_json, timestamp};
use crate::sandbox::http::{Answer, Call};

/// The id of the first account.
const FIRST_ACCOUNT: u32 = 572_467;
/// A contact has its lead's number, and so much more.
const CONTACTS_FROM: u32 = 300_000;
/// The type that an account has where nobody says another.
const CUSTOMER: (i64, &str) = (-1, "Customer");

/// An object: its endpoint, whose name takes an `s` as well, and its fields, the id first.
#[derive(Debug)]
pub struct Object {
    endpoint: &'static str,
    fields: &'static [(&'static str, Kind)],
}

static ACCOUNT: Object = Object {
    endpoint: "Account",
    fields: &[
        ("accountid", Kind::Id),
        ("created", Kind::Created),
        ("lastmodified", Kind::Modified),
        ("accountname", Kind::Text),
        ("accounttype", Kind::Number),
        ("accounttypename", Kind::Text),
        ("leadid", Kind::Whole),
        ("location", Kind::Text),
        ("email", Kind::Text),
        ("phone", Kind::Text),
    ],
};

static CONTACT: Object = Object {
    endpoint: "Contact",
    fields: &[
        ("contactid", Kind::Id),
        ("created", Kind::Created),
        ("lastmodified", Kind::Modified),
        ("contactname", Kind::Text),
        ("firstname", Kind::Text),
        ("lastname", Kind::Text),
        ("email", Kind::Text),
        ("phone", Kind::Text),
        ("leadid", Kind::Whole),
        ("accountid", Kind::Whole),
    ],
};

static PRODUCT: Object =
    Object { endpoint: "Product", fields: &[("productid", Kind::Id), ("productname", Kind::Text), ("price", Kind::Number)] };

static CALENDAR: Object = Object {
    endpoint: "Calendar",
    fields: &[
        ("calendarid", Kind::Id),
        ("resource", Kind::Whole),
        ("startdate", Kind::Date),
        ("enddate", Kind::Date),
        ("contactname", Kind::Text),
        ("duration", Kind::Number),
    ],
};

const PRODUCTS: [[&str; 3]; 4] =
    [["1", "Dedicated desk", "350"], ["2", "Hot desk", "200"], ["3", "Private office", "900"], ["4", "Virtual office", "60"]];

const BOOKINGS: [[&str; 6]; 3] = [
    ["1", "2726", "2016-09-05", "2016-09-05", "Ann Archer", "90"],
    ["2", "2726", "2016-09-19", "2016-09-20", "Bo Baker", "1440"],
    ["3", "2727", "2016-09-05", "2016-09-05", "Cy Cooper", "30"],
];

/// Accounts, in the order of ids.
#[derive(Debug, Default)]
pub struct Accounts {
    rows: Vec<Vec<String>>,
}

impl Accounts {
    /// Makes the account of a lead that was converted.
    pub fn open(&mut self, lead: &Row, at: i64) {
        let id = FIRST_ACCOUNT + u32::try_from(self.rows.len()).unwrap_or_default();
        let text = |name: &str| lead.named(name).to_owned();
        self.rows.push(vec![
            id.to_string(),
            at.to_string(),
            at.to_string(),
            text("leadname"),
            CUSTOMER.0.to_string(),
            CUSTOMER.1.to_owned(),
            lead.id.to_string(),
            text("location"),
            text("email"),
            text("phone"),
        ]);
    }

    /// The account of a lead, if it has one.
    fn of_lead(&self, lead: &str) -> &str {
        let row = self.rows.iter().find(|row| row.get(6).is_some_and(|id| id == lead));
        row.and_then(|row| row.first()).map_or("", String::as_str)
    }
}

impl Object {
    /// The object of an endpoint, in whatever case.
    pub fn named(endpoint: &str) -> Option<&'static Self> {
        let all = [&ACCOUNT, &CONTACT, &PRODUCT, &CALENDAR];
        let is_name = |object: &&&Self| {
            let singular = endpoint.strip_suffix(['s', 'S']).unwrap_or(endpoint);
            endpoint.eq_ignore_ascii_case(object.endpoint) || singular.eq_ignore_ascii_case(object.endpoint)
        };
        all.iter().find(is_name).copied()
    }

    /// Answers a read of the whole object, or of one record.
    pub fn answer(
        &self,
        call: &Call,
        id: Option<&str>,
        (leads, accounts): (&[Row], &Accounts),
        order: &mut ChaCha8Rng,
    ) -> Result<Answer, Refusal> {
        let mut rows = self.rows(leads, accounts);
        let columns: Vec<(String, Column)> = self
            .fields
            .iter()
            .enumerate()
            .map(|(slot, (name, kind))| ((*name).to_owned(), Column { slot, kind: *kind }))
            .collect();
        if let Some(id) = id {
            let wanted = number(id)?.to_string();
            let row =
                rows.iter().find(|row| row.first() == Some(&wanted)).ok_or_else(|| Refusal::not_found(self.endpoint, id))?;
            return Ok(Answer::json(StatusCode::OK, &shown(row, &columns)));
        }
        let column = |name: &str| columns.iter().find(|(known, _)| known == name).map(|(_, column)| *column);
        let query = Query::read(call, &column)?;
        rows.retain(|row| query.conditions.iter().all(|condition| condition.holds(cell(row, condition.column))));
        rows.shuffle(order);
        let asked = query.fields.as_ref().unwrap_or(&columns);
        Ok(numbered(rows.iter().map(|row| shown(row, asked))))
    }

    /// All records, a text for each field.
    fn rows(&self, leads: &[Row], accounts: &Accounts) -> Vec<Vec<String>> {
        let fixed = |row: &[&str]| row.iter().map(|text| (*text).to_owned()).collect();
        match self.endpoint {
            "Account" => accounts.rows.clone(),
            "Contact" => leads.iter().filter_map(|lead| contact(lead, accounts)).collect(),
            "Product" => PRODUCTS.iter().map(|row| fixed(row)).collect(),
            _ => BOOKINGS.iter().map(|row| fixed(row)).collect(),
        }
    }
}

/// The person of a lead, if it names one.
fn contact(lead: &Row, accounts: &Accounts) -> Option<Vec<String>> {
    let text = |name: &str| lead.named(name).to_owned();
    let name = [text("firstname"), text("lastname")].join(" ").trim().to_owned();
    let (created, modified) = lead.times();
    let number = lead.id.to_string();
    let account = accounts.of_lead(&number).to_owned();
    let id = (lead.id + CONTACTS_FROM).to_string();
    let people = [text("firstname"), text("lastname"), text("email"), text("phone")];
    (!name.is_empty()).then(|| {
        [id, created.to_string(), modified.to_string(), name].into_iter().chain(people).chain([number, account]).collect()
    })
}

fn text(row: &[String], column: Column) -> &str {
    row.get(column.slot).map_or("", String::as_str)
}

/// A value, to be compared.
fn cell(row: &[String], column: Column) -> Cell<'_> {
    let text = text(row, column);
    match column.kind {
        Kind::Id | Kind::Whole | Kind::Number => Cell::Number(text.parse().ok()),
        Kind::Created | Kind::Modified => Cell::Time(text.parse().unwrap_or_default()),
        Kind::Date => Cell::Date(text),
        _ => Cell::Text(text),
    }
}

/// A record as Operate writes it.
fn shown(row: &[String], columns: &[(String, Column)]) -> Map<String, Json> {
    let value = |column: Column| match column.kind {
        Kind::Id | Kind::Whole | Kind::Number => number_json(text(row, column)),
        Kind::Created | Kind::Modified => timestamp(text(row, column).parse().unwrap_or_default()).into(),
        _ => text(row, column).into(),
    };
    columns.iter().map(|(name, column)| (name.clone(), value(*column))).collect()
}
