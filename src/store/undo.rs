//! What was written and can be reversed, and the writes that reverse it.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::audit::{Actor, note};
use super::decide::{NewPush, insert_pushes};
use super::sql::{Row, query};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::Side;
use crate::side::WriteKind;
use crate::undo::{Back, Reverse, Written};

/// Which writes are to be reversed.
#[derive(Debug, Clone, Copy)]
pub enum Undone {
    /// This one.
    Push(i64),
    /// All that were done since then, on one side or on both, undos not counted.
    Since(DateTime<Utc>, Option<Side>),
}

/// `?1` a push or null, `?2` since when, `?3` a side or null.
const WRITTEN: &str = "SELECT p.push_id, p.link_id, p.side, p.kind, p.done_at, p.fields, p.before, m.fields AS mapped,
        (SELECT fields FROM mapping ORDER BY mapping_id DESC LIMIT 1) AS mapped_now,
        a.lead_id, iif(a.deleted_at IS NULL AND NOT (a.converted = 1 AND a.side = 'salesforce'), v.fields, NULL) AS now,
        (SELECT u.state FROM push u WHERE u.link_id = p.link_id AND u.side = p.side AND u.state IN ('due', 'sent', 'parked')) AS busy
    FROM push p JOIN link l USING (link_id)
    LEFT JOIN mapping m ON m.mapping_id = p.mapping_id
    LEFT JOIN lead_state a ON a.side = p.side AND a.lead_id = iif(p.side = 'operate', l.operate_id, l.salesforce_id)
    LEFT JOIN lead_values v ON v.side = a.side AND v.lead_id = a.lead_id
    WHERE p.state = 'done' AND (p.push_id = ?1 OR (?1 IS NULL AND p.done_at >= ?2 AND p.undoes IS NULL))
      AND (?3 IS NULL OR p.side = ?3)
      AND NOT EXISTS (SELECT 1 FROM push u WHERE u.undoes = p.push_id AND u.state IN ('due', 'sent', 'parked', 'done'))
    ORDER BY p.link_id, p.side, p.push_id DESC";

/// The leads of some reverses, where no other write to them waits. `?1` is a list of [link, side, lead].
const STANDING: &str = "SELECT j.key AS place, a.fields AS ours, coalesce(b.fields, '{}') AS theirs
    FROM json_each(?1) j
    JOIN link l ON l.link_id = CAST(j.value ->> 0 AS BIGINT)
    JOIN lead a ON a.side = j.value ->> 1 AND a.lead_id = j.value ->> 2 AND a.link_id = l.link_id AND a.deleted_at IS NULL
    LEFT JOIN lead_values b ON b.side = iif(a.side = 'operate', 'salesforce', 'operate')
        AND b.lead_id = iif(a.side = 'operate', l.salesforce_id, l.operate_id)
    WHERE NOT EXISTS (SELECT 1 FROM push u WHERE u.link_id = l.link_id AND u.side = a.side AND u.state IN ('due', 'sent', 'parked'))";

/// Reverses stored at once.
const BATCH: usize = 500;

impl Store {
    /// The writes that took effect and were not reversed, by link and side, the newest first.
    pub async fn written(&self, undone: Undone) -> Result<Vec<Written>, StoreError> {
        let (push, since, side) = match undone {
            Undone::Push(push_id) => (Some(push_id), None, None),
            Undone::Since(since, side) => (None, Some(stamp(since)), side.map(Side::as_str)),
        };
        let rows = query(WRITTEN).bind(push).bind(since).bind(side).fetch_all(&self.read).await?;
        rows.iter().map(written).collect()
    }

    /// Has the next cycle carry these reverses out; those whose lead has moved meanwhile, or is written to, are left out. Gives how many
    /// are due now. `subject` says for the audit what was asked for.
    pub async fn undo(&self, reverses: &[Reverse], subject: &str, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let mut made = 0;
        for some in reverses.chunks(BATCH) {
            let asked = some.iter().map(|reverse| json!([reverse.link_id, reverse.side.as_str(), reverse.lead_id]));
            let rows = query(STANDING).bind(Json::Array(asked.collect()).to_string()).fetch_all(&mut *tx).await?;
            let mut pushes = Vec::new();
            for row in &rows {
                let place = usize::try_from(row.try_get::<i64, _>("place")?).unwrap_or(usize::MAX);
                let (ours, theirs) = (row.json("ours")?, row.json("theirs")?);
                pushes.extend(some.get(place).and_then(|reverse| push(reverse, &ours, &theirs)));
            }
            insert_pushes(&mut tx, &pushes, now).await?;
            let links = pushes.iter().map(|push| push.link_id).collect::<Json>().to_string();
            // A decision about them that is under way does not know of this, and is made again.
            query("UPDATE link SET words = words + 1 WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))")
                .bind(&links)
                .execute(&mut *tx)
                .await?;
            refresh(&mut tx, &links, now).await?;
            made += pushes.len() as u64;
        }
        note(&mut tx, Actor::Command, "undo", Some(subject), Some(&format!("{made} write(s) are due")), now).await?;
        tx.commit().await?;
        Ok(made)
    }
}

/// The write that a reverse comes to; `None` where the lead is no longer as it was when that was planned. `theirs` is what the lead on the
/// other side has: it stays, and both together are what is in step from then on.
fn push(reverse: &Reverse, ours: &Json, theirs: &Json) -> Option<NewPush> {
    let value = |fields: &Json, name: &str| fields.get(name).cloned().unwrap_or_default();
    let moved = if reverse.delete {
        *ours != reverse.now
    } else {
        reverse.fields.iter().any(|(name, back)| value(ours, name) != back.now)
    };
    if moved {
        return None;
    }
    let base = |(name, back): (&String, &Back)| {
        let (here, there) = (back.then.clone(), value(theirs, name));
        let pair = match reverse.side {
            _ if here == there => here,
            Side::Operate => json!([here, there]),
            Side::Salesforce => json!([there, here]),
        };
        (name.clone(), pair)
    };
    let of = |get: fn(&Back) -> &Json| {
        reverse.fields.iter().map(|(name, back)| (name.clone(), get(back).clone())).collect::<Map<_, _>>()
    };
    Some(NewPush {
        link_id: reverse.link_id,
        side: reverse.side,
        kind: if reverse.delete { WriteKind::Delete } else { WriteKind::Update },
        initial: false,
        fields: Json::Object(of(|back| &back.then)),
        before: if reverse.delete { ours.clone() } else { Json::Object(of(|back| &back.now)) },
        base: Json::Object(reverse.fields.iter().map(base).collect()),
        undoes: Some(reverse.undoes),
    })
}

fn written(row: &Row) -> Result<Written, StoreError> {
    let (fields, mapped, mapped_now) = (row.json("fields")?, row.json("mapped")?, row.json("mapped_now")?);
    let names = fields.as_object().into_iter().flat_map(Map::keys);
    let remapped = names.filter(|name| mapped_now.get(*name).is_none() || mapped.get(*name) != mapped_now.get(*name));
    Ok(Written {
        push_id: row.try_get("push_id")?,
        link_id: row.try_get("link_id")?,
        side: Side::parse(row.try_get("side")?).unwrap_or(Side::Operate),
        kind: WriteKind::parse(row.try_get("kind")?).unwrap_or(WriteKind::Update),
        done_at: row.try_get("done_at")?,
        remapped: remapped.cloned().collect(),
        before: row.json("before")?,
        lead_id: row.try_get("lead_id")?,
        now: row.try_get::<Option<&str>, _>("now")?.and_then(|now| serde_json::from_str(now).ok()),
        busy: row.try_get("busy")?,
        fields,
    })
}
