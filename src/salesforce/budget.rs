//! What the org says of its requests of 24 hours in every answer: `Sforce-Limit-Info: api-usage=10018/100000`.

use reqwest::header::HeaderMap;

use crate::side::Usage;

/// Reads the header. A part that counts this app alone may follow.
pub(super) fn usage(headers: &HeaderMap) -> Option<Usage> {
    let text = headers.get("sforce-limit-info")?.to_str().ok()?;
    let counted = text.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, limit) = counted.split_once('/')?;
    let usage = Usage { used: used.trim().parse().ok()?, limit: limit.trim().parse().ok()? };
    Some(usage).filter(|usage| usage.limit > 0)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_orgs_own_count_is_read_with_and_without_that_of_the_app() {
        for (text, expected) in [
            ("api-usage=10018/100000", Some(Usage { used: 10_018, limit: 100_000 })),
            ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample)", Some(Usage { used: 25, limit: 5_000 })),
            ("per-app-api-usage=17/250(appName=sample)", None),
            ("api-usage=many/5000", None),
        ] {
            let headers = HeaderMap::from_iter([("sforce-limit-info".parse().unwrap(), HeaderValue::from_static(text))]);
            assert_eq!(usage(&headers), expected, "{text}");
        }
    }
}
