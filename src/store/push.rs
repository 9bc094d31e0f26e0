//! The outbox: writes that are due, under way or in doubt.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::sql::{Row, query, query_scalar};
use super::{Store, StoreError, stamp, time};
use crate::lead::Side;
use crate::side::WriteKind;

/// A stored write, with what is known of its target.
#[derive(Debug, Clone)]
pub struct PushRow {
    /// The push.
    pub push_id: i64,
    /// The link.
    pub link_id: i64,
    /// The side that is written.
    pub side: Side,
    /// What it does.
    pub kind: WriteKind,
    /// Whether it is of a first pairing.
    pub initial: bool,
    /// What it gives, encoded.
    pub fields: Json,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it was sent last, by the server's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// The target's id; `None` for a create.
    pub target_id: Option<String>,
    /// The id of the lead on the other side.
    pub other_id: Option<String>,
    /// The target's modified time when it was last seen.
    pub target_modified_at: Option<DateTime<Utc>>,
    /// The target's values when it was last seen, encoded.
    pub target_fields: String,
    /// The other side's id, as the target holds it.
    pub target_external_id: Option<String>,
    /// Another Salesforce lead that still names the link's Operate lead: the name can be given to no other. A create may come to one whose
    /// link only says why it has no other half.
    pub name_holder: Option<String>,
}

/// The writes that are not settled, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outbox(Vec<Waiting>);

/// Writes of one kind on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    side: Side,
    kind: WriteKind,
    /// They were sent, and nobody knows what became of them.
    sent: bool,
    /// How many may be sent now.
    ready: u64,
}

impl Outbox {
    /// Whether a side may have carried out writes that nobody knows of.
    #[must_use]
    pub fn is_in_doubt(&self, side: Side) -> bool {
        self.0.iter().any(|waiting| waiting.sent && waiting.side == side)
    }

    /// Whether either side may.
    #[must_use]
    pub fn in_doubt(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.is_in_doubt(side))
    }

    /// Whether anything waits to be sent, now or later.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.0.iter().any(|waiting| !waiting.sent)
    }

    /// Whether anything that waits to be sent changes or deletes a lead, so that a brake is worth a thought.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.0.iter().any(|waiting| !waiting.sent && waiting.kind != WriteKind::Create)
    }

    /// What can be sent to a side of this kind was taken.
    pub fn take(&mut self, side: Side, kind: WriteKind) {
        let of = |waiting: &&mut Waiting| !waiting.sent && waiting.side == side && waiting.kind == kind;
        if let Some(waiting) = self.0.iter_mut().find(of) {
            waiting.ready = 0;
        }
    }

    /// Whether anything can be sent now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        Side::BOTH.into_iter().any(|side| self.ready(side).next().is_some())
    }

    /// What can be sent to a side now: how many of each kind, in the order in which they are sent.
    pub fn ready(&self, side: Side) -> impl Iterator<Item = (WriteKind, u64)> {
        WriteKind::ALL.into_iter().filter_map(move |kind| {
            let waiting = self.0.iter().find(|waiting| !waiting.sent && waiting.side == side && waiting.kind == kind)?;
            (waiting.ready > 0).then_some((kind, waiting.ready))
        })
    }
}

/// No write waits longer than this before it is sent again. One that is due later still was stored before somebody set our clock
/// back, and is due now.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(5);

/// The store's times are whole milliseconds: what is due now is not yet due this much later.
const MOMENT: TimeDelta = TimeDelta::milliseconds(1);

/// Whether a push may be sent now: its time has come, and nothing was seen of its leads since it was decided. `?1` is a moment from now,
/// `?2` the longest wait.
const READY: &str = "(p.due_at NOT BETWEEN ?1 AND ?2
    AND NOT EXISTS (SELECT 1 FROM lead_state d WHERE d.link_id = p.link_id AND d.dirty = 1))";

const COLUMNS: &str = "SELECT p.push_id, p.link_id, p.side, p.kind, p.initial, p.fields, p.attempts, p.sent_at,
    iif(p.side = 'operate', l.operate_id, l.salesforce_id) AS target_id,
    iif(p.side = 'operate', l.salesforce_id, l.operate_id) AS other_id,
    a.modified_at AS target_modified, coalesce(v.fields, '{}') AS target_fields, a.external_id AS target_external,
    (SELECT n.lead_id FROM lead_state n JOIN link h ON h.link_id = n.link_id
     WHERE n.external_id = l.operate_id AND n.side = 'salesforce' AND p.side = n.side AND n.link_id <> l.link_id AND n.deleted_at IS NULL
       AND (p.kind <> 'create' OR NOT (h.origin = 'ambiguous' OR (h.origin = 'external_id' AND h.operate_id IS NULL)))
     LIMIT 1) AS name_holder
    FROM push p JOIN link l USING (link_id)
    LEFT JOIN lead_state a ON a.side = p.side AND a.lead_id = iif(p.side = 'operate', l.operate_id, l.salesforce_id)
    LEFT JOIN lead_values v ON v.side = a.side AND v.lead_id = a.lead_id";

impl Store {
    /// What waits to be sent or to be found.
    pub async fn outbox(&self, now: DateTime<Utc>) -> Result<Outbox, StoreError> {
        let sql = format!(
            "SELECT p.side, p.kind, p.state = 'sent' AS sent, count(*) FILTER (WHERE {READY}) AS ready FROM push p
             WHERE p.state IN ('due', 'sent', 'parked') AND p.state <> 'parked' GROUP BY p.side, p.kind, p.state"
        );
        let rows =
            query(sql).bind(stamp(now + MOMENT)).bind(stamp(now + LONGEST_WAIT)).fetch_all(&mut *self.write().await?).await?;
        let waiting = |row: &Row| {
            let (side, kind): (&str, &str) = (row.try_get("side")?, row.try_get("kind")?);
            let ready: i64 = row.try_get("ready")?;
            Ok(Waiting {
                side: Side::parse(side).unwrap_or(Side::Operate),
                kind: WriteKind::parse(kind).unwrap_or(WriteKind::Update),
                sent: row.try_get("sent")?,
                ready: ready.unsigned_abs(),
            })
        };
        Ok(Outbox(rows.iter().map(waiting).collect::<Result<_, StoreError>>()?))
    }

    /// The oldest writes of a kind that are due on a side.
    pub async fn due(&self, side: Side, kind: WriteKind, now: DateTime<Utc>, limit: usize) -> Result<Vec<PushRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE p.state IN ('due', 'sent', 'parked') AND p.state = 'due' AND p.side = ?3 AND p.kind = ?4 AND {READY} ORDER BY p.push_id LIMIT ?5"
        );
        let rows = query(sql)
            .bind(stamp(now + MOMENT))
            .bind(stamp(now + LONGEST_WAIT))
            .bind(side.as_str())
            .bind(kind.as_str())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.write().await?)
            .await?;
        rows.iter().map(push_row).collect()
    }

    /// The writes on a side whose outcome nobody knows.
    pub async fn in_doubt(&self, side: Side) -> Result<Vec<PushRow>, StoreError> {
        let sql = format!(
            "{COLUMNS} WHERE p.state IN ('due', 'sent', 'parked') AND p.state = 'sent' AND p.side = ? ORDER BY p.push_id"
        );
        let rows = query(sql).bind(side.as_str()).fetch_all(&mut *self.write().await?).await?;
        rows.iter().map(push_row).collect()
    }

    /// Those of these leads that have a link.
    pub async fn linked_among(&self, side: Side, ids: &[&str]) -> Result<Vec<String>, StoreError> {
        Ok(query_scalar(
            "SELECT a.lead_id FROM json_each(?) j JOIN lead_state a ON a.side = ? AND a.lead_id = j.value WHERE a.link_id IS NOT NULL",
        )
        .bind(ids.iter().copied().collect::<Json>().to_string())
        .bind(side.as_str())
        .fetch_all(&mut *self.write().await?)
        .await?)
    }

    /// Notes, before they are sent, that these writes are sent: at this moment or a little later, by the server's clock. Gives those that
    /// may be: a person may have taken one back meanwhile.
    pub async fn mark_sent(&self, pushes: &[i64], at: DateTime<Utc>) -> Result<Vec<i64>, StoreError> {
        Ok(query_scalar(
            "UPDATE push SET state = 'sent', sent_at = ? WHERE state = 'due' AND push_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))
             RETURNING push_id",
        )
        .bind(stamp(at))
        .bind(Json::from(pushes.to_vec()).to_string())
        .fetch_all(&mut *self.write().await?)
        .await?)
    }
}

fn push_row(row: &Row) -> Result<PushRow, StoreError> {
    let side: &str = row.try_get("side")?;
    let kind: &str = row.try_get("kind")?;
    let moment =
        |name: &str| -> Result<Option<DateTime<Utc>>, StoreError> { Ok(row.try_get::<Option<&str>, _>(name)?.map(time)) };
    Ok(PushRow {
        push_id: row.try_get("push_id")?,
        link_id: row.try_get("link_id")?,
        side: Side::parse(side).unwrap_or(Side::Operate),
        kind: WriteKind::parse(kind).unwrap_or(WriteKind::Update),
        initial: row.try_get("initial")?,
        fields: serde_json::from_str(row.try_get("fields")?).unwrap_or_default(),
        attempts: row.try_get("attempts")?,
        sent_at: moment("sent_at")?,
        target_id: row.try_get("target_id")?,
        other_id: row.try_get("other_id")?,
        target_modified_at: moment("target_modified")?,
        target_fields: row.try_get("target_fields")?,
        target_external_id: row.try_get("target_external")?,
        name_holder: row.try_get("name_holder")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(waiting: &[(Side, WriteKind, bool, u64)]) -> Outbox {
        Outbox(waiting.iter().map(|&(side, kind, sent, ready)| Waiting { side, kind, sent, ready }).collect())
    }

    #[test]
    fn an_outbox_tells_what_is_in_doubt_and_what_can_be_sent() {
        use Side::{Operate, Salesforce};
        use WriteKind::{Create, Delete, Update};
        let empty = outbox(&[]);
        assert!(!empty.in_doubt() && !empty.is_due() && !empty.changes_anything() && !empty.is_ready());

        let sent = outbox(&[(Operate, Update, true, 1)]);
        assert_eq!((sent.is_in_doubt(Operate), sent.is_in_doubt(Salesforce), sent.in_doubt()), (true, false, true));
        assert!(!sent.is_due() && !sent.changes_anything() && !sent.is_ready());

        let later = outbox(&[(Salesforce, Create, false, 0)]);
        assert_eq!((later.is_due(), later.is_ready(), later.changes_anything(), later.in_doubt()), (true, false, false, false));

        let mixed = outbox(&[(Salesforce, Delete, false, 1), (Salesforce, Create, false, 3), (Operate, Update, false, 2)]);
        assert_eq!(mixed.ready(Salesforce).collect::<Vec<_>>(), [(Create, 3), (Delete, 1)]);
        assert_eq!(mixed.ready(Operate).collect::<Vec<_>>(), [(Update, 2)]);
        assert!(mixed.is_ready() && mixed.changes_anything());
    }
}
