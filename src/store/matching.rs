//! Matching: what the keys of `[sync].match` find, and the links that are made of it.
//!
//! Set-based, so that neither the order of polls nor of batches matters: two leads are linked by a key only when each is the only
//! one on its side that has it.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::analyze::analyze_grown;
use super::dirty::{LEADS, NAMED_IS_GONE};
use super::many::Rows;
use super::pair::{attach_and, newest_link, side};
use super::sql::{Connection, query};
use super::{DirtyLink, Part, Store, StoreError, stamp};
use crate::lead::Side;

/// A lead that several were found for, or whose only candidate has several.
#[derive(Debug, Clone)]
pub struct Ambiguous {
    /// Its side.
    pub side: Side,
    /// Its id.
    pub lead_id: String,
    /// For people.
    pub reason: String,
}

/// What one rule of `[sync].match` finds for some leads.
#[derive(Debug, Clone, Default)]
pub struct Matches {
    /// Two leads that have no others: a link that is not there yet.
    pub pairs: Vec<Match>,
    /// The keys that are not of such a pair alone.
    pub unclear: Vec<String>,
}

/// Two leads that belong together.
#[derive(Debug, Clone)]
pub struct Match {
    /// What is known of them, as of a link of which both leads changed; its number is 0.
    pub link: DirtyLink,
    /// Whether nothing is decided for one of them.
    pub is_aside: bool,
}

/// A link to be made.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// Operate's lead.
    pub operate_id: String,
    /// Salesforce's.
    pub salesforce_id: String,
    /// The encoded base, where both have the same and nothing else is to be done; else both leads stay to be decided.
    pub in_step: Option<String>,
}

impl Store {
    /// What one rule of `[sync].match` finds for some leads. It is read beside what is being written: what is linked meanwhile may be
    /// among it.
    ///
    /// `CROSS JOIN` keeps `SQLite` to the order written: from the leads that changed to their keys, and from those to the leads that have
    /// the same. Any other order grows with the square of the leads. PostgreSQL would put all rows of an `EXISTS` into a table first.
    pub async fn matches(&self, rule: usize, part: &Part) -> Result<Matches, StoreError> {
        let finding = query(format!(
            "SELECT {LEADS},
                    d.key, o.aside IS NOT NULL OR s.aside IS NOT NULL AS aside,
                    (SELECT n.side FROM lead_state n WHERE n.external_id = o.lead_id AND n.side = 'salesforce' AND n.link_id IS NOT NULL
                        AND n.deleted_at IS NULL LIMIT 1) IS NOT NULL AS name_is_taken,
                    {NAMED_IS_GONE}
             FROM (SELECT r.key AS key, count(*) AS leads, max(iif(n.side = 'operate', n.lead_id, NULL)) AS operate_id,
                          max(iif(n.side = 'salesforce', n.lead_id, NULL)) AS salesforce_id
                   FROM (SELECT DISTINCT k.key AS key
                         FROM lead_state a CROSS JOIN lead_key k ON k.side = a.side AND k.lead_id = a.lead_id
                         WHERE a.dirty = 1 AND a.link_id IS NULL AND k.rule = ?5
                           AND (a.side, a.lead_id) > (?1, ?2) AND (a.side, a.lead_id) <= (?3, ?4)
                           AND EXISTS (SELECT 1 FROM lead_key n WHERE n.rule = ?5 AND n.key = k.key AND n.side <> k.side)) r
                   CROSS JOIN lead_key n ON n.rule = ?5 AND n.key = r.key
                   GROUP BY r.key) d
             LEFT JOIN lead_state o ON d.leads = 2 AND o.side = 'operate' AND o.lead_id = d.operate_id AND o.link_id IS NULL
             LEFT JOIN lead_state s ON d.leads = 2 AND s.side = 'salesforce' AND s.lead_id = d.salesforce_id AND s.link_id IS NULL
             LEFT JOIN lead_values ov ON ov.side = 'operate' AND ov.lead_id = o.lead_id
             LEFT JOIN lead_values sv ON sv.side = 'salesforce' AND sv.lead_id = s.lead_id",
        ));
        let mut found = Matches::default();
        for row in part.bind(finding).bind(number(rule)).fetch_all(&self.read).await? {
            let link = DirtyLink::of_match(&row)?;
            if link.leads.operate.is_some() && link.leads.salesforce.is_some() {
                found.pairs.push(Match { link, is_aside: row.try_get("aside")? });
            } else {
                found.unclear.push(row.try_get("key")?);
            }
        }
        Ok(found)
    }

    /// Parks the leads that have one of these keys of a rule where it is not clear which other is theirs. Gives them.
    pub async fn park_unclear(
        &self,
        (rule, name): (usize, &str),
        keys: &[String],
        now: DateTime<Utc>,
    ) -> Result<Vec<Ambiguous>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let ambiguous = ambiguous(&mut tx, (number(rule), name), &Json::from(keys.to_vec()).to_string()).await?;
        if !ambiguous.is_empty() {
            let rows = ambiguous.iter().map(|lead| json!([lead.lead_id, lead.reason, lead.side.as_str()]));
            park_ambiguous(&mut tx, &Json::Array(rows.collect()).to_string(), now).await?;
        }
        tx.commit().await?;
        Ok(ambiguous)
    }

    /// Makes links, but not of leads that a person linked meanwhile.
    pub async fn link(&self, pairs: &[NewLink], now: DateTime<Utc>) -> Result<(), StoreError> {
        if pairs.is_empty() {
            return Ok(());
        }
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let before = newest_link(&mut tx).await?;
        // A lead that has a link is named by it.
        let insert = Rows {
            before: "INSERT INTO link (operate_id, salesforce_id, base, state, created_at, updated_at, origin) VALUES".into(),
            parameters: 7,
            after: " ON CONFLICT DO NOTHING",
        };
        let now = stamp(now);
        let now = now.as_str();
        insert
            .run(&mut tx, pairs, |query, pair| {
                let (base, state) = pair.in_step.as_deref().map_or(("{}", "pending"), |base| (base, "in_step"));
                query
                    .bind(pair.operate_id.as_str())
                    .bind(pair.salesforce_id.as_str())
                    .bind(base)
                    .bind(state)
                    .bind(now)
                    .bind(now)
                    .bind("match")
            })
            .await?;
        let in_step = ", dirty = iif(l.state = 'in_step', 0, 1), former = iif(l.state = 'in_step', NULL, lead.former)";
        attach_and(&mut tx, before, in_step).await?;
        tx.commit().await?;
        analyze_grown(&mut connection).await
    }
}

fn number(rule: usize) -> i64 {
    i64::try_from(rule).unwrap_or(i64::MAX)
}

/// The leads that have one of these keys, each with why it is not clear which other is theirs.
async fn ambiguous(tx: &mut Connection, (rule, name): (i64, &str), keys: &str) -> Result<Vec<Ambiguous>, StoreError> {
    let several = query(
        "SELECT * FROM (SELECT n.side, n.lead_id, (SELECT string_agg(d.lead_id, ', ') FROM (SELECT lead_id FROM lead_key
                     WHERE rule = ?1 AND key = r.value AND side <> n.side ORDER BY lead_id LIMIT 10) d) AS candidates,
                (SELECT count(*) FROM lead_key WHERE rule = ?1 AND key = r.value AND side = n.side) AS rivals
         FROM json_each(?2) r
         CROSS JOIN lead_key n ON n.rule = ?1 AND n.key = r.value
         CROSS JOIN lead_state m ON m.side = n.side AND m.lead_id = n.lead_id
         WHERE m.link_id IS NULL AND m.dirty = 1
           -- Two that have nobody else, and no link, are a pair.
           AND (SELECT count(*) <> 2 OR count(h.link_id) > 0 FROM lead_key k CROSS JOIN lead_state h ON h.side = k.side AND h.lead_id = k.lead_id
                WHERE k.rule = ?1 AND k.key = r.value)) f
         WHERE candidates IS NOT NULL",
    )
    .bind(rule)
    .bind(keys)
    .fetch_all(&mut *tx)
    .await?;
    let mut ambiguous = Vec::new();
    for row in several {
        let side = side(row.try_get("side")?);
        let candidates: String = row.try_get("candidates")?;
        let rivals: i64 = row.try_get("rivals")?;
        let mut reason = format!("the same {name} is on {} {candidates}", side.other().title());
        if rivals > 1 {
            reason = format!("{reason}, and on {} other {} lead(s)", rivals - 1, side.title());
        }
        ambiguous.push(Ambiguous { side, lead_id: row.try_get("lead_id")?, reason });
    }
    Ok(ambiguous)
}

/// Parks leads that several match. They stay in the search, so that they are found once only one is left.
async fn park_ambiguous(tx: &mut Connection, rows: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    query(
        "INSERT INTO link (operate_id, salesforce_id, state, origin, blocked, reason, created_at, updated_at)
         SELECT iif(j.value ->> 2 = 'operate', j.value ->> 0, NULL), iif(j.value ->> 2 = 'salesforce', j.value ->> 0, NULL),
                'parked', 'ambiguous', j.value ->> 1, j.value ->> 1, ?1, ?1 FROM json_each(?2) j",
    )
    .bind(stamp(now))
    .bind(rows)
    .execute(&mut *tx)
    .await?;
    query(
        "UPDATE lead_state AS lead SET dirty = 0, link_id = (SELECT link_id FROM link
             WHERE (lead.side = 'operate' AND operate_id = lead.lead_id) OR (lead.side = 'salesforce' AND salesforce_id = lead.lead_id))
         WHERE (side, lead_id) IN (SELECT j.value ->> 2, j.value ->> 0 FROM json_each(?1) j)",
    )
    .bind(rows)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
