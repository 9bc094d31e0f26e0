//! CSV in and out.

use serde_json::{Map, Value as Json, json};

use super::Style;
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{Field, Kind};

/// An upload: its columns and rows.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Sheet {
    pub fn read(data: &[u8], style: Style) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().delimiter(style.delimiter.0).from_reader(data);
        let columns = reader.headers().map_err(|error| error.to_string())?.iter().map(|name| name.trim().to_owned()).collect();
        let rows = reader
            .records()
            .map(|record| record.map(|record| record.iter().map(str::to_owned).collect()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        Ok(Self { columns, rows })
    }
}

/// Writes rows below a head; `always` puts every value in quotes.
pub fn write<'r>(head: &[String], rows: impl Iterator<Item = Vec<String>> + 'r, style: Style, always: bool) -> String {
    let terminator = if style.crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let quotes = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
    let mut writer =
        csv::WriterBuilder::new().delimiter(style.delimiter.0).terminator(terminator).quote_style(quotes).from_writer(Vec::new());
    // Writing to memory cannot fail, and all rows have the head's length.
    let _ = writer.write_record(head);
    for row in rows {
        let _ = writer.write_record(&row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// The record that a row stands for: an empty cell leaves its field alone, `#N/A` clears it.
pub fn record(columns: &[&'static Field], row: &[String]) -> Result<Map<String, Json>, Fail> {
    let mut record = Map::new();
    for (field, cell) in columns.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
        record.insert(field.name.to_owned(), value(field, cell)?);
    }
    Ok(record)
}

fn value(field: &Field, cell: &str) -> Result<Json, Fail> {
    if cell == "#N/A" {
        return Ok(Json::Null);
    }
    let wrong = || {
        let message = format!("{}: value not of required type: {cell}", field.label);
        Fail::bad("INVALID_TYPE_ON_FIELD_IN_RECORD", message)
    };
    match field.kind {
        Kind::Boolean => match cell.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" => Ok(json!(true)),
            "false" | "0" | "no" => Ok(json!(false)),
            _ => Err(wrong()),
        },
        Kind::Int => cell.parse::<i64>().map(Json::from).map_err(|_| wrong()),
        Kind::Double | Kind::Currency => cell.parse::<serde_json::Number>().map(Json::Number).map_err(|_| wrong()),
        _ => Ok(json!(cell)),
    }
}

/// A field's value as a cell.
pub fn cell(field: &Field, value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) if field.kind == Kind::DateTime => text.replace("+0000", "Z"),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
