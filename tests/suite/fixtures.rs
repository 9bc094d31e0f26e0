//! Mappings for the tests of the pure core.

use leadsync::config::field::{Direction, EmptyRule, FieldConfig, UnknownRule, ValueRow};
use leadsync::config::sync::ConflictRule;
use leadsync::lead::{Kind, PerSide};
use leadsync::mapping::{Mapping, MappingError, OperateTime};

pub fn field(name: &str, kind: Kind) -> FieldConfig {
    FieldConfig {
        name: name.to_owned(),
        native: PerSide { operate: name.to_owned(), salesforce: format!("{name}__c") },
        direction: Direction::Both,
        conflict: None,
        kind,
        kind_is_given: true,
        lookup: None,
        default: PerSide::default(),
        values: Vec::new(),
        transforms: Vec::new(),
        expression: None,
        unknown: UnknownRule::Park,
        empty: EmptyRule::Overwrite,
    }
}

pub fn row(operate: &str, salesforce: &str, direction: Direction) -> ValueRow {
    ValueRow { native: PerSide { operate: operate.to_owned(), salesforce: salesforce.to_owned() }, direction }
}

pub fn mapping(fields: &[FieldConfig]) -> Result<Mapping, MappingError> {
    let time = OperateTime { zone: chrono_tz::Europe::London, format: "%Y-%m-%d %H:%M:%S".to_owned() };
    Mapping::new(fields, &[], ConflictRule::Newest, &time)
}
