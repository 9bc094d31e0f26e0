//! Below which address pages stand: at the root, or each pair's below its own where one process serves many.

/// Whose pages these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) enum Place {
    /// Those of the only pair that is served.
    Alone,
    /// Those of one pair of many.
    Pair {
        /// Letters, figures, `-` and `_` alone: it stands in addresses as it is.
        name: String,
        /// `/pairs/NAME`.
        base: String,
    },
    /// Those about all pairs.
    All,
}

/// A path below the base, and what a menu calls it.
type Entry = (&'static str, &'static str);

const OF_PAIR: [Entry; 4] = [("/", "Overview"), ("/parked", "Parked"), ("/conflicts", "Conflicts"), ("/search", "Search")];
const OF_ALL: [Entry; 1] = [("/", "Pairs")];

impl Place {
    pub(in crate::ops) fn of_pair(name: &str) -> Self {
        Self::Pair { name: name.to_owned(), base: format!("/pairs/{name}") }
    }

    /// What stands before every path.
    pub(super) fn base(&self) -> &str {
        match self {
            Self::Pair { base, .. } => base,
            Self::Alone | Self::All => "",
        }
    }

    /// The pair's name, where there are others.
    pub(in crate::ops) fn pair(&self) -> Option<&str> {
        match self {
            Self::Pair { name, .. } => Some(name),
            Self::Alone | Self::All => None,
        }
    }

    pub(super) fn menu(&self) -> &'static [Entry] {
        if matches!(self, Self::All) { &OF_ALL } else { &OF_PAIR }
    }

    /// Up from where a browser sends the cookie of a session along.
    pub(super) fn cookie_path(&self) -> &str {
        match self.base() {
            "" => "/",
            base => base,
        }
    }

    /// Whether a path that a form sends is one of these pages.
    pub(super) fn has(&self, path: &str) -> bool {
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let below = path.strip_prefix(self.base()).filter(|below| below.starts_with('/') && !below.starts_with("//"));
        is_plain && below.is_some_and(|below| !below.to_ascii_lowercase().replace("%2e", ".").split('/').any(|part| part == ".."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_back_to_a_page_of_its_own_place_alone() {
        let (alone, pair) = (Place::Alone, Place::of_pair("north"));
        for (path, of_alone, of_pair) in [
            ("/", true, false),
            ("/parked?page=2", true, false),
            ("/pairs/north/", true, true),
            ("/pairs/north/lead/operate/7", true, true),
            ("/pairs/north", true, false),
            ("/pairs/northern/", true, false),
            ("/pairs/south/", true, false),
            ("/pairs/north/../south/", false, false),
            ("/pairs/north/%2E%2e/south/", false, false),
            ("/pairs/north//evil.example/", true, false),
            ("//evil.example/", false, false),
            ("/\\evil.example/", false, false),
            ("https://evil.example/", false, false),
            ("", false, false),
        ] {
            assert_eq!((alone.has(path), pair.has(path)), (of_alone, of_pair), "{path}");
        }
    }

    #[test]
    fn a_session_of_one_pair_is_sent_to_no_other() {
        assert_eq!((Place::Alone.cookie_path(), Place::of_pair("north").cookie_path()), ("/", "/pairs/north"));
    }
}
