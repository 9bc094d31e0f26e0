//! Both systems' leads with all the fields that they have, for a mapping that does not exist yet.

use crate::config::operate::OperateConfig;
use crate::config::salesforce::SalesforceConfig;
use crate::lead::PerSide;
use crate::mapping::find;
use crate::operate::OperateClient;
use crate::salesforce::SalesforceClient;
use crate::side::{NativeField, SideClient as _, SideError};

use super::{Hashing, Survey, read};

/// Names in one query, whose address must stay well below 16,384 bytes, in characters.
const NAMES: usize = 8_000;
/// Types that stand for several other fields, or for what is no text.
const COMPOUND: [&str; 3] = ["address", "location", "base64"];

/// What both systems' leads hold.
#[derive(Debug, Clone, Default)]
pub struct Surveyed {
    /// What was seen.
    pub surveys: PerSide<Survey>,
    /// What Salesforce says of its fields.
    pub described: Vec<NativeField>,
    /// Requests that it took.
    pub requests: PerSide<u64>,
}

/// Reads the leads of both systems, or of each about so many that were modified last.
pub async fn whole(operate: &OperateConfig, salesforce: &SalesforceConfig, sample: Option<usize>) -> Result<Surveyed, SideError> {
    let hashing = Hashing::new();
    let client = OperateClient::of_whole_leads(operate)?;
    let mut surveyed = Surveyed::default();
    let since = match sample {
        Some(count) => client.since_newest(count).await?,
        None => None,
    };
    read(&client, since, |record| surveyed.surveys.operate.take(record, &hashing)).await?;
    surveyed.requests.operate = client.requests();

    let mut config = salesforce.clone();
    let (_, described) = SalesforceClient::new(&config, Vec::new())?.describe_lead().await?;
    if find(&described, &config.external_id_field).is_none() {
        config.external_id_field.clear();
    }
    let client = SalesforceClient::new(&config, Vec::new())?;
    let since = match sample {
        Some(count) => client.since_newest(count).await?,
        None => None,
    };
    let salesforce = &mut surveyed.surveys.salesforce;
    for names in parts(&described) {
        client.map(names, Vec::new());
        // Each part is a survey of its own of the same leads.
        let mut part = Survey::default();
        read(&client, since, |record| part.take(record, &hashing)).await?;
        salesforce.read = salesforce.read.max(part.read);
        salesforce.fields.extend(part.fields);
    }
    // With the one that described them.
    surveyed.requests.salesforce = client.requests() + 1;
    surveyed.described = described;
    Ok(surveyed)
}

/// The names of the fields that can be asked for, in parts that fit into a query.
fn parts(described: &[NativeField]) -> Vec<Vec<String>> {
    let mut parts: Vec<Vec<String>> = vec![Vec::new()];
    let mut length = 0;
    for field in described.iter().filter(|field| !COMPOUND.contains(&field.native_type.as_str())) {
        length += field.name.len() + 1;
        if length > NAMES {
            length = field.name.len();
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(field.name.clone());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_with_many_fields_is_asked_in_parts() {
        let field = |number: usize| NativeField {
            name: format!("A_rather_long_name_of_a_field_{number:04}__c"),
            ..NativeField::default()
        };
        let described: Vec<NativeField> = (0..700).map(field).collect();
        let parts = parts(&described);
        assert!(parts.iter().all(|part| part.join(",").len() <= NAMES) && parts.len() == 4);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 700);
    }
}
