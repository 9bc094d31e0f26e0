//! Links that people make and take apart. What they say is left in the store; the next cycle carries it out by the usual rules.
//!
//! A link that was unlinked stays, at rest: it holds its leads, so that none is paired or made anew.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;

use super::audit::{Actor, note};
use super::conflict::look_again;
use super::observe::drop_keys;
use super::sql::{Connection, query, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::{PerSide, Side};

/// What was, or would be, taken apart and linked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Relinked {
    /// The pairs that were linked before: Operate's and Salesforce's lead.
    pub taken_apart: Vec<(String, String)>,
    /// The leads that have no other half now and are left alone: side and id.
    pub left_alone: Vec<(&'static str, String)>,
    /// Writes that were due for them and are not made.
    pub superseded: u64,
    /// Whether the two are linked already: nothing was done.
    pub already: bool,
}

/// Why a person's word about links is not carried out. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkRefusal {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such lead.
    #[error("no {title} lead {id} was ever seen: check the id, and whether it is within the filter", title = .side.title())]
    Unknown {
        /// Where.
        side: Side,
        /// The id.
        id: String,
    },
    /// The lead is gone.
    #[error("{title} lead {id} is deleted", title = .side.title())]
    Deleted {
        /// Where.
        side: Side,
        /// The id.
        id: String,
    },
    /// There is no link to forget.
    #[error("no lead with id {id} has a link: `leadsync show {id}` says what is known of it")]
    NotLinked {
        /// As given.
        id: String,
    },
    /// It was done before.
    #[error("{id} was unlinked before: `leadsync relink` links it again")]
    Unlinked {
        /// As given.
        id: String,
    },
    /// A write is under way.
    #[error("a write to {title} for this lead is under way, or its outcome is not known yet: try again after the next cycle", title = .side.title())]
    Sent {
        /// To which side.
        side: Side,
    },
}

/// A link as far as it matters here.
struct Found {
    link_id: i64,
    ids: PerSide<Option<String>>,
    unlinked: bool,
}

impl Store {
    /// Forgets the link of a lead (an id of either side): from now on its leads are left alone.
    pub async fn unlink(&self, id: &str, dry_run: bool, actor: Actor, now: DateTime<Utc>) -> Result<Relinked, LinkRefusal> {
        let mut connection = self.write().await.map_err(StoreError::from)?;
        let mut tx = connection.begin().await.map_err(StoreError::from)?;
        let mut found = None;
        for side in Side::BOTH {
            found = match found {
                None => link_of(&mut tx, side, &whole(side, id)).await?,
                some => some,
            };
        }
        let link = found.ok_or_else(|| LinkRefusal::NotLinked { id: id.to_owned() })?;
        if link.unlinked {
            return Err(LinkRefusal::Unlinked { id: id.to_owned() });
        }
        let mut done = Relinked { superseded: stop_writes(&mut tx, link.link_id, now).await?, ..Relinked::default() };
        let links = Json::from(vec![link.link_id]).to_string();
        query("UPDATE link SET unlinked_at = ?, blocked = NULL, base = '{}', origin = 'match' WHERE link_id = ?")
            .bind(stamp(now))
            .bind(link.link_id)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        let (mut leads, mut others) = (Vec::new(), 0);
        for side in Side::BOTH {
            if let Some(id) = link.ids.get(side) {
                drop_keys(&mut tx, side, &Json::from(vec![id.clone()]).to_string()).await?;
                leads.push(id.clone());
                done.left_alone.push((side.as_str(), id.clone()));
                others += 1;
            }
        }
        if let (Some(operate), Some(salesforce), 2) = (&link.ids.operate, &link.ids.salesforce, others) {
            done.taken_apart.push((operate.clone(), salesforce.clone()));
        }
        look_again(&mut tx, &links).await?;
        refresh(&mut tx, &links, now).await?;
        note(&mut tx, actor, "unlink", Some(&leads.join(" ")), None, now).await?;
        if !dry_run {
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(done)
    }

    /// Links these two leads instead of what they are linked with. What that leaves without another half is left alone.
    pub async fn relink(
        &self,
        operate_id: &str,
        salesforce_id: &str,
        dry_run: bool,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Relinked, LinkRefusal> {
        let ids = PerSide { operate: operate_id.to_owned(), salesforce: whole(Side::Salesforce, salesforce_id) };
        let mut connection = self.write().await.map_err(StoreError::from)?;
        let mut tx = connection.begin().await.map_err(StoreError::from)?;
        let mut links = PerSide::<Option<Found>>::default();
        for side in Side::BOTH {
            must_be_there(&mut tx, side, ids.get(side)).await?;
            *links.get_mut(side) = link_of(&mut tx, side, ids.get(side)).await?;
        }
        let mut done = Relinked::default();
        let both = links.operate.as_ref().zip(links.salesforce.as_ref());
        let together = both.is_some_and(|(ours, theirs)| ours.link_id == theirs.link_id);
        if together && links.operate.as_ref().is_some_and(|link| !link.unlinked) {
            return Ok(Relinked { already: true, ..done });
        }
        for side in Side::BOTH {
            let Some(link) = links.get(side) else { continue };
            done.superseded += stop_writes(&mut tx, link.link_id, now).await?;
            let other = side.other();
            if let (Some(left), false) = (link.ids.get(other), together) {
                split(&mut tx, link, side, now).await?;
                done.left_alone.push((other.as_str(), left.clone()));
                if !link.unlinked {
                    let (Some(operate), Some(salesforce)) = (&link.ids.operate, &link.ids.salesforce) else { continue };
                    done.taken_apart.push((operate.clone(), salesforce.clone()));
                }
            }
        }
        let link_id = join(&mut tx, &ids, now).await?;
        let touched = Json::from(vec![link_id]).to_string();
        look_again(&mut tx, &touched).await?;
        refresh(&mut tx, &touched, now).await?;
        let before: Vec<String> =
            done.taken_apart.iter().map(|(operate, salesforce)| format!("{operate} {salesforce}")).collect();
        let detail = (!before.is_empty()).then(|| format!("linked before: {}", before.join("; ")));
        let mut subject = format!("{} {}", ids.operate, ids.salesforce);
        for (_, id) in &done.left_alone {
            subject = format!("{subject} {id}");
        }
        note(&mut tx, actor, "relink", Some(&subject), detail.as_deref(), now).await?;
        if !dry_run {
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(done)
    }
}

async fn link_of(connection: &mut Connection, side: Side, id: &str) -> Result<Option<Found>, StoreError> {
    let column = if side == Side::Operate { "operate_id" } else { "salesforce_id" };
    let sql =
        format!("SELECT link_id, operate_id, salesforce_id, unlinked_at IS NOT NULL AS unlinked FROM link WHERE {column} = ?");
    let row = query(sql).bind(id).fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Found {
        link_id: row.try_get("link_id")?,
        ids: PerSide { operate: row.try_get("operate_id")?, salesforce: row.try_get("salesforce_id")? },
        unlinked: row.try_get("unlinked")?,
    }))
}

async fn must_be_there(connection: &mut Connection, side: Side, id: &str) -> Result<(), LinkRefusal> {
    let deleted: Option<bool> = query_scalar("SELECT deleted_at IS NOT NULL FROM lead_state WHERE side = ? AND lead_id = ?")
        .bind(side.as_str())
        .bind(id)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::from)?;
    match deleted {
        None => Err(LinkRefusal::Unknown { side, id: id.to_owned() }),
        Some(true) => Err(LinkRefusal::Deleted { side, id: id.to_owned() }),
        Some(false) => Ok(()),
    }
}

/// Takes back what was to be written for a link, and closes its conflicts. Nothing of it may be under way.
async fn stop_writes(connection: &mut Connection, link_id: i64, now: DateTime<Utc>) -> Result<u64, LinkRefusal> {
    let sent: Option<String> = query_scalar("SELECT side FROM push WHERE link_id = ? AND state = 'sent' LIMIT 1")
        .bind(link_id)
        .fetch_optional(&mut *connection)
        .await
        .map_err(StoreError::from)?;
    if let Some(side) = sent {
        return Err(LinkRefusal::Sent { side: Side::parse(&side).unwrap_or(Side::Operate) });
    }
    let mut superseded = 0;
    for sql in [
        "UPDATE conflict SET state = 'settled', settled_at = ?1 WHERE link_id = ?2 AND state = 'open'",
        "UPDATE push SET state = 'superseded', done_at = ?1 WHERE link_id = ?2 AND state IN ('due', 'parked')",
    ] {
        let done = query(sql).bind(stamp(now)).bind(link_id).execute(&mut *connection).await.map_err(StoreError::from)?;
        superseded = done;
    }
    Ok(superseded)
}

/// Parts the leads of a link: the one that is not of `side` is left alone. The history stays with Operate's.
async fn split(connection: &mut Connection, link: &Found, side: Side, now: DateTime<Utc>) -> Result<(), StoreError> {
    let Some(salesforce) = &link.ids.salesforce else { return Ok(()) };
    query(
        "UPDATE link SET salesforce_id = NULL, base = '{}', blocked = NULL, origin = 'match', unlinked_at = iif(?, ?, NULL) WHERE link_id = ?",
    )
    .bind(side == Side::Salesforce)
    .bind(stamp(now))
    .bind(link.link_id)
    .execute(&mut *connection)
    .await?;
    let made: i64 = query_scalar(
        "INSERT INTO link (salesforce_id, state, origin, created_at, updated_at, unlinked_at)
         VALUES (?1, 'pending', 'match', ?2, ?2, iif(?3, ?2, NULL)) RETURNING link_id",
    )
    .bind(salesforce)
    .bind(stamp(now))
    .bind(side == Side::Operate)
    .fetch_one(&mut *connection)
    .await?;
    query("UPDATE lead_state SET link_id = ? WHERE side = 'salesforce' AND lead_id = ?")
        .bind(made)
        .bind(salesforce)
        .execute(&mut *connection)
        .await?;
    let links = Json::from(vec![link.link_id, made]).to_string();
    look_again(connection, &links).await?;
    refresh(connection, &links, now).await
}

/// Makes one link of two leads that have none, or one each without another half.
async fn join(connection: &mut Connection, ids: &PerSide<String>, now: DateTime<Utc>) -> Result<i64, StoreError> {
    let mut halves = PerSide::<Option<i64>>::default();
    for side in Side::BOTH {
        *halves.get_mut(side) = link_of(connection, side, ids.get(side)).await?.map(|link| link.link_id);
    }
    let link_id = match (halves.operate, halves.salesforce) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            for sql in [
                "UPDATE push SET link_id = ?1 WHERE link_id = ?2",
                "UPDATE conflict SET link_id = ?1 WHERE link_id = ?2",
                "UPDATE lead_state SET link_id = ?1 WHERE link_id = ?2",
                "DELETE FROM link WHERE link_id = ?2 AND ?1 <> ?2",
            ] {
                query(sql).bind(ours).bind(theirs).execute(&mut *connection).await?;
            }
            ours
        }
        (Some(half), _) | (None, Some(half)) => half,
        (None, None) => {
            query_scalar(
                "INSERT INTO link (operate_id, salesforce_id, state, origin, created_at, updated_at)
                 VALUES (?1, ?2, 'pending', 'match', ?3, ?3) RETURNING link_id",
            )
            .bind(&ids.operate)
            .bind(&ids.salesforce)
            .bind(stamp(now))
            .fetch_one(&mut *connection)
            .await?
        }
    };
    query(
        "UPDATE link SET operate_id = ?, salesforce_id = ?, base = '{}', blocked = NULL, origin = 'match', unlinked_at = NULL
         WHERE link_id = ?",
    )
    .bind(&ids.operate)
    .bind(&ids.salesforce)
    .bind(link_id)
    .execute(&mut *connection)
    .await?;
    for side in Side::BOTH {
        drop_keys(connection, side, &Json::from(vec![ids.get(side).clone()]).to_string()).await?;
        query("UPDATE lead_state SET link_id = ? WHERE side = ? AND lead_id = ?")
            .bind(link_id)
            .bind(side.as_str())
            .bind(ids.get(side))
            .execute(&mut *connection)
            .await?;
    }
    Ok(link_id)
}

/// The id as the store has it: of a Salesforce id in 15 characters, the one in 18.
#[must_use]
pub fn whole(side: Side, id: &str) -> String {
    if side == Side::Operate || id.len() != 15 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut whole = id.to_owned();
    for part in id.as_bytes().chunks(5) {
        let upper = part.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase());
        let place = upper.fold(0_u8, |sum, (bit, _)| sum | (1 << bit));
        whole.push(char::from(if place < 26 { b'A' + place } else { b'0' + place - 26 }));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salesforce_id_is_made_whole_and_others_stay() {
        assert_eq!(whole(Side::Salesforce, "00Q5g000000004t"), "00Q5g000000004tEAA");
        assert_eq!(whole(Side::Salesforce, "00Q5g000000004tEAA"), "00Q5g000000004tEAA");
        assert_eq!(whole(Side::Operate, "123456789012345"), "123456789012345");
    }
}
