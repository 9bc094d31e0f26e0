//! Puts a configuration in its place: whole or not at all, and readable by its owner alone.

use std::io::{self, Write as _};
use std::path::Path;

/// Writes the text. A file that is there is replaced only with `force`, also where it appeared a moment ago.
pub fn write(file: &Path, text: &str, force: bool) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // Made with mode 0600, and removed again if anything below fails.
    let mut temporary = tempfile::Builder::new().prefix(".leadsync-").suffix(".toml").tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    let placed = if force { temporary.persist(file) } else { temporary.persist_noclobber(file) };
    placed.map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_only_by_force_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leadsync.toml");
        write(&file, "one", false).unwrap();
        assert_eq!(write(&file, "two", false).map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "one");
        write(&file, "three", true).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "three");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
