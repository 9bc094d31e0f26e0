//! `fields`: both systems' lead fields side by side. It prints figures, and no value of any lead.

use serde::Serialize;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::daemon::AssemblyError;
use crate::lead::PerSide;
use crate::mapping::find;
use crate::propose::{self, Proposal};
use crate::side::NativeField;
use crate::survey::{self, Profile, Surveyed};

/// A field, in figures.
#[derive(Serialize)]
struct Shown {
    name: String,
    /// What its values look like; none where it is empty everywhere.
    seen: Option<&'static str>,
    filled: u64,
    filled_percent: u64,
    shortest: usize,
    typical: u64,
    longest: usize,
    /// What Salesforce says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    described: Option<Described>,
}

#[derive(Serialize)]
struct Described {
    label: String,
    #[serde(rename = "type")]
    native_type: String,
    length: usize,
    writable: bool,
    required: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Listed {
    leads: PerSide<u64>,
    requests: PerSide<u64>,
    operate: Vec<Shown>,
    salesforce: Vec<Shown>,
    proposed: Vec<Proposal>,
}

pub(super) async fn fields(config: &Config, sample: Option<usize>, report: Report) -> Result<Ended, Failure> {
    let work = survey::whole(&config.operate, &config.salesforce, sample);
    let surveyed = output::busy("reading leads on both sides", work).await.map_err(AssemblyError::Side)?;
    let proposed = propose::propose(&surveyed, &config.operate, &config.salesforce.external_id_field);
    let listed = listed(&surveyed, proposed);
    if report.json {
        output::json(&listed)?;
        return Ok(Ended::Done);
    }
    print(&listed);
    let which = if sample.is_some() { ", those that were modified last" } else { "" };
    output::line(format!(
        "read {} leads of Operate and {} of Salesforce{which}; it took {} and {} request(s)",
        listed.leads.operate, listed.leads.salesforce, listed.requests.operate, listed.requests.salesforce
    ));
    Ok(Ended::Done)
}

fn listed(surveyed: &Surveyed, proposed: Vec<Proposal>) -> Listed {
    let (ours, theirs) = (&surveyed.surveys.operate, &surveyed.surveys.salesforce);
    let empty = Profile::default();
    Listed {
        leads: PerSide { operate: ours.read, salesforce: theirs.read },
        requests: surveyed.requests,
        operate: ours.fields.iter().map(|(name, profile)| shown(name, profile, ours.read, None)).collect(),
        salesforce: surveyed
            .described
            .iter()
            .map(|field| {
                shown(
                    &field.name,
                    theirs.fields.get(&field.name).unwrap_or(&empty),
                    theirs.read,
                    find(&surveyed.described, &field.name),
                )
            })
            .collect(),
        proposed,
    }
}

fn shown(name: &str, profile: &Profile, read: u64, described: Option<&NativeField>) -> Shown {
    Shown {
        name: name.to_owned(),
        seen: profile.shape().map(survey::Shape::as_str),
        filled: profile.filled,
        filled_percent: (profile.filled * 100).checked_div(read).unwrap_or_default(),
        shortest: profile.shortest,
        typical: profile.typical(),
        longest: profile.longest,
        described: described.map(|field| Described {
            label: field.label.clone(),
            native_type: field.native_type.clone(),
            length: field.length,
            writable: field.writable,
            required: field.required,
        }),
    }
}

impl Shown {
    /// `98%  4-31, mostly 17`.
    fn figures(&self) -> [String; 2] {
        let lengths =
            if self.filled == 0 { String::new() } else { format!("{}-{} ~{}", self.shortest, self.longest, self.typical) };
        [format!("{:>3}%", self.filled_percent), lengths]
    }

    fn ours(&self) -> Vec<String> {
        let [filled, lengths] = self.figures();
        vec![self.name.clone(), self.seen.unwrap_or("-").to_owned(), filled, lengths]
    }

    fn theirs(&self) -> Vec<String> {
        let [filled, lengths] = self.figures();
        let (mut label, mut native_type, mut writable) = (String::new(), String::new(), "");
        if let Some(described) = &self.described {
            label.clone_from(&described.label);
            native_type = match described.length {
                0 => described.native_type.clone(),
                length => format!("{}({length})", described.native_type),
            };
            writable = if described.writable { "writable" } else { "read-only" };
        }
        vec![self.name.clone(), label, native_type, filled, lengths, writable.to_owned()]
    }
}

/// Pairs first, the surest at the top; then what only one side has.
fn print(listed: &Listed) {
    let header = ["OPERATE", "SEEN", "FILLED", "LENGTHS", "SALESFORCE", "LABEL", "TYPE", "FILLED", "LENGTHS", "", "PAIR"];
    let mut table: Vec<Vec<String>> = vec![header.map(str::to_owned).to_vec()];
    let mut pairs: Vec<&Proposal> = listed.proposed.iter().collect();
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.confidence));
    for pair in pairs {
        let ours = listed.operate.iter().find(|field| field.name == pair.operate);
        let theirs = listed.salesforce.iter().find(|field| field.name == pair.salesforce);
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        let doubt = pair.doubt.as_ref().map(|doubt| format!("; {doubt}")).unwrap_or_default();
        let told = format!("{} {}% {}{doubt}", pair.name, pair.confidence, pair.reason.as_str());
        table.push([ours.ours(), theirs.theirs(), vec![told]].concat());
    }
    let is_paired = |name: &str| listed.proposed.iter().any(|pair| pair.operate == name || pair.salesforce == name);
    let rest = listed.operate.iter().filter(|field| !is_paired(&field.name));
    table.extend(rest.map(|field| [field.ours(), vec![String::new(); 7]].concat()));
    let rest = listed.salesforce.iter().filter(|field| !is_paired(&field.name));
    table.extend(rest.map(|field| [vec![String::new(); 4], field.theirs(), vec![String::new()]].concat()));
    let width =
        |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    for row in &table {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output::line(cells.join("  ").trim_end());
    }
}
