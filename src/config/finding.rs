//! What is wrong with a configuration, said so that a person can mend it: where, what, and what to do.

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and there is a better way.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong. It never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether it can be lived with.
    pub severity: Severity,
    /// The key, such as `operate.auth.client_id` or `fields[2].values` (lists count from 0); empty where it is about the whole file.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
    /// Where.
    pub place: Place,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of the file.
    Line {
        /// The file, as it was named.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// The line with secrets blotted out, and where in it the caret stands. `None` where it may hold a secret.
        excerpt: Option<Excerpt>,
    },
    /// An environment variable.
    Variable(String),
    /// The file as a whole: something is missing from it.
    File(PathBuf),
}

/// A line to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line.
    pub text: String,
    /// Characters before the caret.
    pub indent: usize,
    /// Carets; 1 at least.
    pub width: usize,
}

impl Finding {
    /// Writes it to the log, as a warning.
    pub fn log(&self) {
        tracing::warn!(key = self.key, problem = self.problem, hint = self.help, "config.warning");
    }
}

impl Place {
    /// Sorts the findings as a reader meets them: file from the top, then environment, then what is not there at all.
    pub(super) fn order(&self) -> (u8, usize, usize, &str) {
        match self {
            Self::Line { line, column, .. } => (0, *line, *column, ""),
            Self::Variable(name) => (1, 0, 0, name),
            Self::File(_) => (2, 0, 0, ""),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)?;
        let gutter = match &self.place {
            Place::Line { line, .. } => line.to_string().len(),
            Place::Variable(_) | Place::File(_) => 1,
        };
        let margin = " ".repeat(gutter);
        match &self.place {
            Place::Line { file, line, column, excerpt } => {
                write!(f, "\n{margin}--> {}:{line}:{column}", file.display())?;
                if let Some(Excerpt { text, indent, width }) = excerpt {
                    let carets = "^".repeat((*width).max(1));
                    write!(f, "\n{margin} |\n{line} | {text}\n{margin} | {}{carets}", " ".repeat(*indent))?;
                }
            }
            Place::Variable(name) => write!(f, "\n{margin}--> environment variable {name}")?,
            Place::File(file) => write!(f, "\n{margin}--> {}", file.display())?,
        }
        write!(f, "\n{margin} = help: {}", self.help)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, in the order of the file; one at least.
    pub findings: Vec<Finding>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.findings.iter().enumerate() {
            if position > 0 {
                f.write_str("\n\n")?;
            }
            finding.fmt(f)?;
        }
        if self.findings.len() > 1 {
            write!(f, "\n\nthe configuration has {} errors", self.findings.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
