//! Salesforce ids: 15 characters of base 62 that tell upper from lower case, or 18 with a suffix that keeps the case.
//!
//! An id is held as its 15 characters, whose byte order is the order in which Salesforce sorts ids.

/// The 15 characters.
pub type Key = [u8; 15];

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// The id of the number-th record of a type; ids ascend with the number.
pub fn make(prefix: [u8; 3], mut number: u64) -> Key {
    let mut key = *b"0005g0000000000";
    for (place, byte) in key.iter_mut().zip(prefix) {
        *place = byte;
    }
    for place in key.iter_mut().skip(6).rev() {
        let digit = usize::try_from(number % 62).unwrap_or_default();
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        number /= 62;
    }
    key
}

/// The 15 characters as text.
pub fn short(key: &Key) -> String {
    key.iter().copied().map(char::from).collect()
}

/// All 18 characters.
pub fn full(key: &Key) -> String {
    let mut text = short(key);
    for group in key.chunks(5) {
        let bits = group.iter().rev().fold(0_usize, |bits, byte| (bits << 1) | usize::from(byte.is_ascii_uppercase()));
        text.push(char::from(SUFFIX.get(bits).copied().unwrap_or(b'A')));
    }
    text
}

/// Reads an id of 15 or 18 characters; the suffix of the longer form restores lost upper and lower case.
pub fn parse(text: &str) -> Option<Key> {
    let bytes = text.as_bytes();
    if !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let mut key: Key = bytes.get(..15)?.try_into().ok()?;
    match bytes.get(15..)? {
        [] => Some(key),
        suffix @ [_, _, _] => {
            for (group, symbol) in key.chunks_mut(5).zip(suffix) {
                let bits = SUFFIX.iter().position(|known| *known == symbol.to_ascii_uppercase())?;
                for (place, byte) in group.iter_mut().enumerate() {
                    if bits >> place & 1 == 0 {
                        byte.make_ascii_lowercase();
                    } else if byte.is_ascii_alphabetic() {
                        byte.make_ascii_uppercase();
                    } else {
                        return None;
                    }
                }
            }
            Some(key)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_of_known_ids_is_right() {
        let known = [
            "a01M00000062mPgIAI",
            "001M000000qfPySIAU",
            "AbCdEfGhIjKlMnOVKV",
            "aBcDEfgHIJKLMNO025",
            "0F9E000000092w2KAA",
            "a0D30000001n7PiEAI",
        ];
        for id in known {
            assert_eq!(id.get(..15).and_then(parse).map(|key| full(&key)).as_deref(), Some(id));
        }
    }

    #[test]
    fn an_id_that_lost_its_case_is_restored_by_its_suffix() {
        assert_eq!(parse("A01M00000062MPGIAI"), parse("a01M00000062mPg"));
        assert_eq!(parse("00Q5g00000000"), None);
        assert_eq!(parse("00Q5g0000000-01"), None);
    }

    #[test]
    fn ids_ascend_with_the_number() {
        let made: Vec<Key> = [1, 9, 10, 35, 36, 61, 62, 100_000].into_iter().map(|number| make(*b"00Q", number)).collect();
        assert!(made.is_sorted());
        assert_eq!(made.first().map(short).as_deref(), Some("00Q5g0000000001"));
    }
}
