//! Fits the configured fields to those that a system really has: types that the configuration leaves open, fields that are gone, and
//! fields that this user may only read.

use std::fmt::Write as _;

use super::{Mapping, MappingError, OperateTime};
use crate::config::Config;
use crate::config::field::{Direction, FieldConfig, Lookup};
use crate::lead::{PerSide, Side};
use crate::side::{FieldRole, NativeField};

/// What the systems say of the fields of a lead; `None` where one does not describe itself.
pub type Described = PerSide<Option<Vec<NativeField>>>;

/// A configured field that is not used as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The field's name.
    pub field: String,
    /// What is wrong, what that means and what to do.
    pub problem: String,
}

/// The field of this API name.
#[must_use]
pub fn find<'d>(described: &'d [NativeField], name: &str) -> Option<&'d NativeField> {
    described.iter().find(|field| field.name.eq_ignore_ascii_case(name))
}

impl Mapping {
    /// Builds the mapping that a checked configuration and these systems allow, and says what had to be left out of it.
    pub fn fitted(config: &Config, described: &Described) -> Result<(Self, Vec<Misfit>), MappingError> {
        let mut misfits = Vec::new();
        let fields: Vec<FieldConfig> = config.fields.iter().filter_map(|field| fit(field, described, &mut misfits)).collect();
        let gone = |name: &String| !fields.iter().any(|field| field.name == *name);
        let match_keys: Vec<Vec<String>> =
            config.sync.match_keys.iter().filter(|names| !names.iter().any(gone)).cloned().collect();
        let time = OperateTime { zone: config.operate.timezone, format: config.operate.timestamp_format.clone() };
        let mut mapping = Self::new(&fields, &match_keys, config.sync.conflict, &time)?
            .limited(config.sync.filter.as_deref(), &config.mappings)?;
        // What the systems' own filters hide or show has to be looked at anew as well.
        let _ = write!(mapping.fingerprint, "\n{:?} {:?}", config.operate.filter, config.salesforce.filter);
        Ok((mapping, misfits))
    }

    /// Whether a side has every field of this mapping, and lets those be written that are.
    #[must_use]
    pub fn fits(&self, side: Side, described: &[NativeField]) -> bool {
        self.fields.iter().all(|field| {
            field
                .native
                .get(side)
                .iter()
                .all(|name| find(described, name).is_some_and(|native| native.writable || !field.policy.writes(side)))
        })
    }
}

/// The fields that hold a user's id on a side where the mapping has an e-mail address.
#[must_use]
pub fn user_fields(config: &Config, side: Side, described: &Described) -> Vec<String> {
    let Some(described) = described.get(side) else { return Vec::new() };
    let users = config.fields.iter().filter(|field| field.lookup == Some(Lookup::User)).flat_map(|field| field.native.get(side));
    users.filter(|name| find(described, name).is_some_and(|native| native.role == FieldRole::User)).cloned().collect()
}

/// The field as the systems have it; `None` where it cannot be used at all.
fn fit(field: &FieldConfig, described: &Described, misfits: &mut Vec<Misfit>) -> Option<FieldConfig> {
    let mut field = field.clone();
    let mut tell = |problem: String| misfits.push(Misfit { field: field.name.clone(), problem });
    for side in Side::BOTH {
        let Some(fields) = described.get(side) else { continue };
        let title = side.title();
        let names = field.native.get(side).clone();
        let mut locked = None;
        for name in &names {
            let Some(native) = find(fields, name) else {
                tell(format!(
                    "{title} has no field {name} that this user may see: the field is left alone on both sides until it has"
                ));
                return None;
            };
            if let ([_], Some(kind), false) = (names.as_slice(), native.kind, field.kind_is_given) {
                field.kind = kind;
            }
            if !native.writable {
                locked = Some(name);
            }
        }
        let Some(name) = locked.filter(|_| field.direction.writes_to(side)) else { continue };
        if field.direction != Direction::Both {
            tell(format!("{title} does not let this user write {name}: the field is left alone until it does"));
            return None;
        }
        tell(format!(
            "{title} does not let this user write {name}: the field goes to {} only until it does",
            side.other().title()
        ));
        field.direction = if side == Side::Salesforce { Direction::ToOperate } else { Direction::ToSalesforce };
    }
    Some(field)
}

#[cfg(test)]
mod tests {
    use crate::lead::Kind;

    use super::*;

    const TEXT: &str = r#"
        [operate]
        base_url = "https://operate.example"
        auth = { client_id = "a", client_secret = "env:SECRET" }
        [salesforce]
        login_url = "https://acme.my.salesforce.com"
        auth = { client_id = "a", client_secret = "env:SECRET" }
        [sync]
        match = [["email"], ["title"]]
        [[fields]]
        name = "email"
        operate = "email"
        salesforce = "Email"
        [[fields]]
        name = "title"
        operate = "jobtitle"
        salesforce = "Title"
        [[fields]]
        name = "desks"
        operate = "desks"
        salesforce = "Desks__c"
        [[fields]]
        name = "since"
        operate = "since"
        salesforce = "Since__c"
        direction = "to_salesforce"
    "#;

    fn native(name: &str, kind: Option<Kind>, writable: bool) -> NativeField {
        NativeField { name: name.to_owned(), kind, writable, ..NativeField::default() }
    }

    fn fitted(described: Vec<NativeField>) -> (Mapping, Vec<Misfit>) {
        let config = Config::from_text(TEXT, "leadsync.toml", [("SECRET".to_owned(), "s".to_owned())]).unwrap().config;
        Mapping::fitted(&config, &PerSide { operate: None, salesforce: Some(described) }).unwrap()
    }

    fn whole() -> Vec<NativeField> {
        vec![
            native("Email", None, true),
            native("TITLE", None, true),
            native("Desks__c", Some(Kind::Number), true),
            native("Since__c", Some(Kind::Instant), true),
        ]
    }

    #[test]
    fn a_type_that_is_left_open_is_the_one_that_salesforce_describes() {
        let (mapping, misfits) = fitted(whole());
        let kinds: Vec<Kind> = mapping.fields().iter().map(|field| field.kind).collect();
        assert_eq!((kinds, misfits), (vec![Kind::Text, Kind::Text, Kind::Number, Kind::Instant], Vec::new()));
        assert!(mapping.fits(Side::Salesforce, &whole()));
        assert_eq!(mapping.match_rules(), 2);
    }

    #[test]
    fn a_field_that_is_gone_is_left_out_with_what_goes_by_it() {
        let mut described = whole();
        described.remove(1);
        let (mapping, misfits) = fitted(described.clone());
        assert!(mapping.field("title").is_none() && mapping.match_rules() == 1);
        assert_eq!(misfits.iter().map(|misfit| misfit.field.as_str()).collect::<Vec<_>>(), ["title"]);
        assert!(mapping.fits(Side::Salesforce, &described));
        assert!(!fitted(whole()).0.fits(Side::Salesforce, &described));
    }

    #[test]
    fn a_field_that_may_only_be_read_goes_the_other_way_or_nowhere() {
        let mut described = whole();
        for field in described.iter_mut().skip(2) {
            field.writable = false;
        }
        let (mapping, misfits) = fitted(described);
        let desks = mapping.field("desks").unwrap().1;
        assert_eq!((desks.policy.direction, mapping.field("since").is_none(), misfits.len()), (Direction::ToOperate, true, 2));
    }
}
