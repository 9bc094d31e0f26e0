//! Where a store is, and what it is called in messages.

use std::fmt::{self, Debug, Display, Formatter};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use secrecy::SecretString;
use sqlx::sqlite::SqliteConnectOptions;

use super::StoreError;
use super::postgres::{Databases, Server};

/// The longest name that PostgreSQL has.
const LONGEST_NAME: usize = 63;

/// The schema that is used where none is named.
pub const SCHEMA: &str = "leadsync";

/// Where a store is: `sqlite:PATH`, or `postgres://USER@HOST:PORT/DATABASE` and a schema.
#[derive(Clone)]
pub struct Address {
    /// As configured.
    pub url: String,
    /// PostgreSQL's, where it is not part of the address.
    pub password: Option<SecretString>,
    /// Where PostgreSQL has the tables.
    pub schema: String,
    /// Where the connections are that stores of one process share.
    pub databases: Databases,
}

/// An address alone; `schema=NAME` among the parameters of PostgreSQL's names the schema.
impl From<&str> for Address {
    fn from(url: &str) -> Self {
        let of = |url: &str, schema: &str| Self {
            url: url.to_owned(),
            password: None,
            schema: schema.to_owned(),
            databases: Databases::default(),
        };
        let Some((before, parameters)) = url.split_once('?').filter(|_| url.starts_with("postgres")) else {
            return of(url, SCHEMA);
        };
        let (schemas, rest): (Vec<&str>, Vec<&str>) = parameters.split('&').partition(|each| each.starts_with("schema="));
        let schema = schemas.last().and_then(|each| each.strip_prefix("schema=")).unwrap_or(SCHEMA);
        of(&format!("{before}?{}", rest.join("&")), schema)
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

/// Without passwords.
impl Debug for Address {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.place().map(|place| place.name()).unwrap_or_default())
    }
}

/// Whether a text is the name of a schema that needs no quotes.
#[must_use]
pub fn is_schema_name(name: &str) -> bool {
    let is_plain = name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_');
    let begins = name.starts_with(|each: char| !each.is_ascii_digit());
    is_plain && begins && name.len() <= LONGEST_NAME && !name.starts_with("pg_")
}

/// An address that was understood.
pub(super) enum Located {
    File(PathBuf),
    Server(Box<Server>),
}

impl Address {
    /// Whether both name the same store. Another password makes no difference.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.url == other.url && self.schema == other.schema
    }

    /// What it is called in messages.
    pub fn place(&self) -> Result<Place, StoreError> {
        Ok(match self.locate()? {
            Located::File(path) => Place::File(path),
            Located::Server(server) => Place::Server(server.label()),
        })
    }

    pub(super) fn locate(&self) -> Result<Located, StoreError> {
        // What is not understood may hold a password.
        let unknown = || StoreError::Url { scheme: self.url.split(':').next().unwrap_or_default().to_owned() };
        if self.url.starts_with("postgres:") || self.url.starts_with("postgresql:") {
            let server = Server::of(&self.url, self.password.as_ref(), &self.schema, &self.databases);
            let server = server.filter(|_| is_schema_name(&self.schema)).ok_or_else(unknown)?;
            return Ok(Located::Server(Box::new(server)));
        }
        let options = SqliteConnectOptions::from_str(&self.url).map_err(|_| unknown())?;
        Ok(Located::File(options.get_filename().to_path_buf()))
    }
}

/// Which store it is, as far as that is known where it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// Not known.
    #[default]
    Unknown,
    /// A database file.
    File(PathBuf),
    /// A schema of a database server.
    Server(String),
}

impl Place {
    /// The database file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Unknown | Self::Server(_) => None,
        }
    }

    /// What to do where it is damaged.
    pub(super) const fn if_damaged(&self) -> &'static str {
        match self {
            Self::Server(_) => "restore a backup of the database, or name another schema, in which leads find each other again",
            Self::Unknown | Self::File(_) => {
                "restore a backup, or move it away with the -wal and -shm files beside it, and a new one is made in which leads find \
                 each other again"
            }
        }
    }

    /// Its name alone.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Unknown => String::new(),
            Self::File(path) => path.display().to_string(),
            Self::Server(label) => label.clone(),
        }
    }
}

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => out.write_str("the store"),
            known => write!(out, "the store {}", known.name()),
        }
    }
}
