//! Some of the fields of each row: where they stand is found out once for all rows of a kind.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Names, NativeFields};

/// Some of the fields of rows, and where rows of one kind have them.
#[derive(Debug, Clone)]
pub struct Columns {
    names: Names,
    any_case: bool,
    /// The kind of rows that was seen last.
    of: Names,
    /// Where such rows have each of `names`.
    places: Vec<Option<usize>>,
    /// Whether they have all of them, in this order.
    in_order: bool,
}

impl Columns {
    /// Fields that rows have under these very names.
    #[must_use]
    pub fn named(names: Names) -> Self {
        Self { places: vec![None; names.len()], names, any_case: false, of: Names::default(), in_order: false }
    }

    /// Fields that rows may have in another spelling, of capitals and small letters.
    #[must_use]
    pub fn in_any_case(names: Names) -> Self {
        Self { any_case: true, ..Self::named(names) }
    }

    /// Learns where this row has them, if it is of another kind than the last.
    pub fn look_at(&mut self, row: &NativeFields) {
        if Arc::ptr_eq(&self.of, &row.names) {
            return;
        }
        self.of = Arc::clone(&row.names);
        let place = |name: &Arc<str>| {
            let spelt = || row.names.iter().position(|other| other.eq_ignore_ascii_case(name)).filter(|_| self.any_case);
            row.place(name).ok().or_else(spelt)
        };
        self.places = self.names.iter().map(place).collect();
        self.in_order = self.places.iter().all(Option::is_some) && self.places.is_sorted_by(|one, next| one < next);
    }

    /// A field of the row that was looked at.
    #[must_use]
    pub fn get<'r>(&self, row: &'r NativeFields, column: usize) -> Option<&'r Json> {
        row.values.get((*self.places.get(column)?)?)
    }

    /// All of these fields and no others of the row that was looked at; null where there is none.
    #[must_use]
    pub fn pick(&self, row: NativeFields) -> NativeFields {
        let mut values = row.values;
        if self.in_order {
            // None of them moves to a place behind its own, so they all stay in the memory that they are in.
            self.places.iter().flatten().enumerate().for_each(|(to, from)| values.swap(to, *from));
            values.truncate(self.names.len());
        } else {
            let value = |place: &Option<usize>| place.and_then(|place| values.get(place)).cloned().unwrap_or_default();
            values = self.places.iter().map(value).collect();
        }
        NativeFields { names: Arc::clone(&self.names), values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_picked_from_rows_of_any_kind() {
        let names = Names::new(["a", "b", "d"].map(Into::into).to_vec());
        let pick = |mut columns: Columns, rows: &[NativeFields]| -> Vec<String> {
            let picked = rows.iter().map(|row| {
                columns.look_at(row);
                assert_eq!(columns.get(row, 0), row.get("a").or_else(|| row.get("A").filter(|_| columns.any_case)));
                serde_json::to_string(&columns.pick(row.clone())).unwrap()
            });
            picked.collect()
        };
        let texts = [r#"{"a":1,"b":2,"c":3}"#, r#"{"b":4,"a":5,"c":6}"#, r#"{"A":7,"d":8}"#];
        let rows = texts.map(|text| serde_json::from_str::<NativeFields>(text).unwrap());
        let [first, second, third] = [r#"{"a":1,"b":2,"d":null}"#, r#"{"a":5,"b":4,"d":null}"#, r#"{"a":null,"b":null,"d":8}"#];
        assert_eq!(pick(Columns::named(Arc::clone(&names)), &rows), [first, second, third]);
        assert_eq!(pick(Columns::in_any_case(names), &rows), [first, second, r#"{"a":7,"b":null,"d":8}"#]);
        let twice = Columns::in_any_case(Names::new(["A", "a"].map(Into::into).to_vec()));
        assert_eq!(pick(twice, &rows[..1]), [r#"{"A":1,"a":1}"#]);
    }
}
