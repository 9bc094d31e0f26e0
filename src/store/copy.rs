//! A store copied into another one, whichever databases they are in: whole and compared, or not at all.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures_util::TryStreamExt as _;
use serde::Serialize;

use super::many::Rows;
use super::sql::{Cell, Connection, Query, Row, query, query_scalar};
use super::{Place, Store, StoreError};

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Links.
    pub links: u64,
    /// Leads.
    pub leads: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// Why there is no copy. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Something is there.
    #[error("{place} holds leads already: a copy replaces nothing; name another file or schema")]
    NotEmpty {
        /// Where.
        place: Place,
    },
    /// What is there is not what was read.
    #[error("the table {table} is not the same in {place} as where it came from: nothing was kept there; look at both databases")]
    Differs {
        /// Which.
        table: &'static str,
        /// Where.
        place: Place,
    },
    /// One of the stores.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for CopyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A table: its name, its columns in the order of the key (`#`: a number), and how many of them are the key.
struct Table {
    name: &'static str,
    columns: &'static str,
    key: usize,
}

/// All that is remembered, in an order in which what is referred to comes first. What says who works on a store stays where it is.
const TABLES: [Table; 12] = [
    Table {
        name: "link",
        columns: "#link_id operate_id salesforce_id state origin base blocked reason created_at updated_at retried_at unlinked_at #words",
        key: 1,
    },
    Table { name: "mapping", columns: "#mapping_id fields first_used_at", key: 1 },
    Table {
        name: "push",
        columns: "#push_id #link_id side kind fields before base state #attempts due_at sent_at error_code error created_at done_at \
                  #initial #mapping_id #undoes",
        key: 1,
    },
    Table {
        name: "conflict",
        columns: "#conflict_id #link_id field base_value operate_value salesforce_value rule winner state found_at settled_at",
        key: 1,
    },
    Table {
        name: "lead_state",
        columns: "side lead_id #link_id modified_at changed_at external_id #converted master_id deleted_at seen_at #dirty aside former",
        key: 2,
    },
    Table { name: "lead_values", columns: "side lead_id fields", key: 2 },
    Table { name: "lead_key", columns: "#rule key side lead_id", key: 4 },
    Table { name: "checkpoint", columns: "side modified_at lead_id polled_at swept_at covered_at", key: 1 },
    Table {
        name: "cycle",
        columns: "#cycle_id started_at ended_at #seen #pushed #conflicts #parked #requests_operate #requests_salesforce error held \
                  #usage_salesforce #limit_salesforce",
        key: 1,
    },
    Table { name: "fact", columns: "name value", key: 1 },
    Table { name: "audit", columns: "#audit_id at actor action subject detail", key: 1 },
    Table { name: "reread", columns: "side lead_id", key: 2 },
];

/// Rows written by one statement.
const CHUNK: usize = 256;

impl Table {
    fn columns(&self) -> impl Iterator<Item = (&'static str, bool)> {
        self.columns.split_whitespace().map(|column| (column.trim_start_matches('#'), column.starts_with('#')))
    }

    fn names(&self) -> Vec<&'static str> {
        self.columns().map(|(name, _)| name).collect()
    }

    fn select(&self) -> String {
        let names = self.names();
        let key = names.get(..self.key).unwrap_or_default().join(", ");
        format!("SELECT {} FROM {} ORDER BY {key}", names.join(", "), self.name)
    }

    /// The column whose numbers the database gives, each only once.
    fn counted(&self) -> Option<&'static str> {
        self.columns().next().filter(|(name, is_number)| *is_number && *name == format!("{}_id", self.name)).map(|(name, _)| name)
    }

    fn cells(&self, row: &Row) -> Result<Vec<Cell>, sqlx::Error> {
        self.columns().enumerate().map(|(place, (_, is_number))| row.cell(place, is_number)).collect()
    }
}

/// How many rows there were, and what they come to.
#[derive(Default)]
struct Sum {
    rows: u64,
    hasher: DefaultHasher,
}

impl Sum {
    fn add(&mut self, cells: &[Cell]) {
        self.rows += 1;
        cells.hash(&mut self.hasher);
    }

    fn is(&self, other: &Self) -> bool {
        (self.rows, self.hasher.finish()) == (other.rows, other.hasher.finish())
    }
}

impl Store {
    /// Copies everything, as it was at one moment, into a store that holds nothing yet, and compares both before that is kept.
    pub async fn copy_into(&self, target: &Self) -> Result<Copied, CopyError> {
        let (mut from, mut to) = (self.write().await?, target.write().await?);
        from.begin_snapshot().await?;
        let copied = copy(&mut from, &mut to, target.place()).await;
        from.end_snapshot().await?;
        copied
    }
}

async fn copy(from: &mut Connection, to: &mut Connection, place: &Place) -> Result<Copied, CopyError> {
    let mut tx = to.begin().await?;
    let is_used = "SELECT EXISTS (SELECT 1 FROM link) OR EXISTS (SELECT 1 FROM lead_state) OR EXISTS (SELECT 1 FROM push)";
    if query_scalar::<bool>(is_used).fetch_one(&mut *tx).await? {
        return Err(CopyError::NotEmpty { place: place.clone() });
    }
    let mut copied = Copied { links: 0, leads: 0, rows: 0 };
    for table in &TABLES {
        // What opening it has left there.
        query(format!("DELETE FROM {}", table.name)).execute(&mut *tx).await?;
        let read = fill(table, from, &mut tx).await?;
        if !sum(table, &mut tx).await?.is(&read) {
            return Err(CopyError::Differs { table: table.name, place: place.clone() });
        }
        if let Some(column) = table.counted() {
            let last = from.last_number(table.name, column).await?;
            tx.go_on_from(table.name, column, last).await?;
        }
        copied.rows += read.rows;
        match table.name {
            "link" => copied.links = read.rows,
            "lead_state" => copied.leads = read.rows,
            _ => {}
        }
    }
    tx.commit().await?;
    Ok(copied)
}

/// Copies a table, and gives what was read.
async fn fill(table: &Table, from: &mut Connection, to: &mut Connection) -> Result<Sum, CopyError> {
    let names = table.names();
    let insert = Rows {
        before: format!("INSERT INTO {} ({}) VALUES", table.name, names.join(", ")).into(),
        parameters: names.len(),
        after: "",
    };
    let (mut sum, mut chunk) = (Sum::default(), Vec::with_capacity(CHUNK));
    let mut rows = query(table.select()).stream_on(from)?;
    loop {
        let row = rows.try_next().await?;
        if let Some(row) = &row {
            let cells = table.cells(row)?;
            sum.add(&cells);
            chunk.push(cells);
        }
        if chunk.len() == CHUNK || row.is_none() {
            insert.run(to, &chunk, |query, cells: &Vec<Cell>| cells.iter().fold(query, Query::bind)).await?;
            chunk.clear();
        }
        if row.is_none() {
            return Ok(sum);
        }
    }
}

async fn sum(table: &Table, connection: &mut Connection) -> Result<Sum, CopyError> {
    let mut sum = Sum::default();
    let mut rows = query(table.select()).stream_on(connection)?;
    while let Some(row) = rows.try_next().await? {
        sum.add(&table.cells(&row)?);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_column_of_every_table_is_copied() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(format!("sqlite:{}", folder.path().join("leads.db").display()).as_str()).await.unwrap();
        let mut connection = store.write().await.unwrap();
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%' ORDER BY name";
        let there: Vec<String> = query_scalar(tables).fetch_all(&mut *connection).await.unwrap();
        let mut known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        known.sort_unstable();
        assert_eq!(there, known);
        for table in &TABLES {
            let columns = format!("SELECT iif(type = 'INTEGER', '#', '') || name FROM pragma_table_info('{}')", table.name);
            let mut there: Vec<String> = query_scalar(columns).fetch_all(&mut *connection).await.unwrap();
            let mut known: Vec<&str> = table.columns.split_whitespace().collect();
            there.sort_unstable();
            known.sort_unstable();
            assert_eq!(there, known, "{}", table.name);
        }
    }
}
