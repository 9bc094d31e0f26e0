//! What a person wants reversed, where a lead of the link changed before it was sent: it goes on as far as it still stands.

use serde_json::Value as Json;

use super::Engine;
use crate::lead::{PerSide, Side, Value};
use crate::mapping::{FieldProblem, Values};
use crate::store::{DirtyLink, NewPush};

/// What still stands of a reverse.
pub(super) struct StandingUndo {
    undoes: i64,
    fields: Vec<(usize, Value)>,
}

impl Engine {
    /// What still stands of the reverse that waits for a side: fields that have what they had when it was asked for, and are not given
    /// another value now.
    pub(super) fn standing_undo(
        &self,
        link: &DirtyLink,
        to: Side,
        given: &[usize],
        now: &PerSide<Values>,
    ) -> Option<StandingUndo> {
        let undo = link.undo.iter().find(|undo| undo.side == to)?;
        let before = self.mapping.decode_some(&undo.before);
        let stands = |place: usize| {
            let had = before.iter().find(|(had, _)| *had == place).map(|(_, value)| value);
            had == now.get(to).0.get(place) && !given.contains(&place)
        };
        let mut fields = self.mapping.decode_some(&undo.fields);
        fields.retain(|(place, _)| stands(*place));
        (!fields.is_empty()).then_some(StandingUndo { undoes: undo.undoes, fields })
    }

    /// The same write with what still stands of a reverse. The other side keeps what it has, and both are in step.
    pub(super) fn with_undo(
        &self,
        mut push: NewPush,
        undo: Option<StandingUndo>,
        now: &PerSide<Values>,
    ) -> Result<NewPush, FieldProblem> {
        let Some(StandingUndo { undoes, fields }) = undo else { return Ok(push) };
        self.mapping.write(push.side, fields.iter().map(|(place, value)| (*place, value)))?;
        let pairs = fields.iter().filter_map(|(place, value)| {
            let stays = now.get(push.side.other()).0.get(*place)?;
            Some((*place, PerSide::build(|side| if side == push.side { value } else { stays })))
        });
        let base = self.mapping.encode_base_patch(pairs);
        let had = fields.iter().filter_map(|(place, _)| Some((*place, now.get(push.side).0.get(*place)?)));
        extend(&mut push.before, self.mapping.encode_some(had));
        extend(&mut push.fields, self.mapping.encode_some(fields.iter().map(|(place, value)| (*place, value))));
        extend(&mut push.base, base);
        (push.initial, push.undoes) = (false, Some(undoes));
        Ok(push)
    }
}

fn extend(object: &mut Json, more: Json) {
    if let (Json::Object(object), Json::Object(more)) = (object, more) {
        object.extend(more);
    }
}
