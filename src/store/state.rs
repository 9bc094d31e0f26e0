//! The state of links: it follows from their leads, pushes and conflicts, and from what a person said.

use chrono::{DateTime, Utc};

use super::sql::{Connection, query};
use super::{StoreError, stamp};

/// Brings the state of links up to date.
pub(super) async fn refresh(connection: &mut Connection, links: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    query(
        "WITH now AS (
            SELECT l.link_id,
                (SELECT p.error FROM push p WHERE p.link_id = l.link_id AND p.state = 'parked' LIMIT 1) AS refusal,
                EXISTS (SELECT 1 FROM push p WHERE p.link_id = l.link_id AND p.state = 'parked') AS refused,
                EXISTS (SELECT 1 FROM push p WHERE p.link_id = l.link_id AND p.state IN ('due', 'sent')) AS due,
                EXISTS (SELECT 1 FROM conflict c WHERE c.link_id = l.link_id AND c.state = 'open') AS conflict,
                string_agg(iif(a.deleted_at IS NOT NULL, a.side || ' lead ' || a.lead_id || ' is deleted', NULL), '; ') AS deleted,
                max(iif(a.side = 'salesforce' AND a.converted = 1, 1, 0)) AS converted,
                string_agg(iif(a.aside IS NOT NULL, a.side || ' lead ' || a.lead_id || iif(a.aside = 'filtered', ' is outside the filter',
                     ' was not seen since the mapping or a filter changed'), NULL), '; ') AS aside,
                -- A lead that is there and not of this link is rare, and looked for only where there is none of it.
                l.operate_id IS NOT NULL AND l.salesforce_id IS NOT NULL
                    AND iif(max(iif(a.side = 'operate' AND a.lead_id = l.operate_id, 1, 0)) = 1, FALSE,
                        NOT EXISTS (SELECT 1 FROM lead_state b WHERE b.side = 'operate' AND b.lead_id = l.operate_id)) AS missing,
                iif(max(iif(a.side = 'operate' AND a.lead_id = l.operate_id, 1, 0)) = 1
                        AND max(iif(a.side = 'salesforce' AND a.lead_id = l.salesforce_id, 1, 0)) = 1, NULL,
                    (SELECT string_agg(d.side || ' lead ' || d.lead_id || ' was not seen yet', '; ')
                     FROM (SELECT 'operate' AS side, l.operate_id AS lead_id UNION ALL SELECT 'salesforce', l.salesforce_id) d
                     WHERE l.operate_id IS NOT NULL AND l.salesforce_id IS NOT NULL AND l.origin = 'match' AND NOT EXISTS (
                         SELECT 1 FROM lead_state b WHERE b.side = d.side AND b.lead_id = d.lead_id))) AS unseen
            FROM (SELECT DISTINCT CAST(value AS BIGINT) AS link_id FROM json_each(?1)) j CROSS JOIN link l ON l.link_id = j.link_id
            LEFT JOIN lead_state a ON a.link_id = l.link_id
            GROUP BY l.link_id)
         UPDATE link SET updated_at = ?2,
            state = CASE
                WHEN link.unlinked_at IS NOT NULL THEN 'unlinked'
                WHEN link.origin = 'ambiguous' THEN 'parked'
                WHEN link.blocked IS NOT NULL OR now.refused THEN 'parked'
                WHEN now.deleted IS NULL AND now.unseen IS NOT NULL THEN 'pending'
                WHEN now.deleted IS NOT NULL OR now.missing THEN 'deleted'
                WHEN now.conflict THEN 'conflict'
                WHEN now.aside IS NOT NULL OR now.due OR link.operate_id IS NULL OR link.salesforce_id IS NULL THEN 'pending'
                WHEN now.converted = 1 THEN 'converted'
                ELSE 'in_step' END,
            reason = CASE
                WHEN link.unlinked_at IS NOT NULL THEN 'left alone since ' || link.unlinked_at || ': it was unlinked'
                WHEN link.blocked IS NOT NULL OR now.refused THEN coalesce(link.blocked, now.refusal)
                WHEN now.deleted IS NOT NULL THEN now.deleted
                WHEN now.unseen IS NOT NULL THEN now.unseen
                WHEN now.missing THEN 'operate lead ' || link.operate_id || ' is not there'
                ELSE now.aside END
         FROM now WHERE now.link_id = link.link_id",
    )
    .bind(links)
    .bind(stamp(now))
    .execute(connection)
    .await?;
    Ok(())
}
