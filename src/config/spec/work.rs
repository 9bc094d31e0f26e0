//! `[store]`, `[schedule]`, `[sync]` and `[ops]`.

use super::{Form, Key, Section, default, optional, required, words};
use crate::config::ops::{ALERT_WORDS, FORMAT_WORDS};
use crate::config::part::LEAVES_WORDS;
use crate::config::sync::{CONFLICT_WORDS, CREATE_WORDS, DELETE_WORDS};

/// `[store]`.
pub(super) const STORE: &[Section] = &[Section {
    name: "store",
    about: "What leadsync remembers: what it saw, and what is in step.",
    keys: &[
        default(
            "url",
            Form::StoreUrl,
            r#""sqlite:leadsync.db""#,
            "The SQLite file, which is made if it is missing: sqlite: and a path. Or postgres://USER@HOST:PORT/DATABASE; also \"env:NAME\".",
        ),
        optional("password", Form::Secret, "The password of the PostgreSQL user, where it does not stand in the address."),
        default(
            "schema",
            Form::SchemaName,
            r#""leadsync""#,
            "The schema of the PostgreSQL database that holds the tables, which is made if it is missing.",
        ),
    ],
}];

/// The sections of what is done when.
pub(super) const SECTIONS: &[Section] = &[
    Section { name: "schedule", about: "When leads are looked at: cron expressions with seconds, in UTC.", keys: SCHEDULE },
    Section { name: "sync", about: "How leads are paired, created, merged and deleted.", keys: SYNC },
    Section { name: "sync.converted", about: "The value that a lead gets when its counterpart was converted.", keys: CONVERTED },
    Section { name: "ops", about: "What the daemon shows of itself, how it ends, and what it keeps.", keys: OPS },
    Section { name: "ops.alert", about: "A webhook that is told what waits for a person.", keys: ALERT },
];

const SCHEDULE: &[Key] = &[
    default("poll", Form::Cron, r#""*/30 * * * * *""#, "When changes are fetched and passed on."),
    default("sweep", Form::Cron, r#""0 0 3 * * *""#, "When everything is compared."),
    default(
        "overlap",
        Form::Duration("5s", "7d"),
        r#""10m""#,
        "How far behind the newest change seen a poll reads again, for changes that become visible late.",
    ),
];

const SYNC: &[Key] = &[
    default("create", Form::Word(|| words(&CREATE_WORDS)), r#""both""#, "Where a lead that is on one side only is created."),
    default(
        "conflict",
        Form::Word(|| words(&CONFLICT_WORDS)),
        r#""newest""#,
        "What decides if both sides changed the same field: the later edit, a side, or a person (manual).",
    ),
    default(
        "delete",
        Form::Word(|| words(&DELETE_WORDS)),
        r#""ignore""#,
        "What a delete on one side does to the other: nothing, or it is deleted too unless somebody edited it since.",
    ),
    required(
        "match",
        Form::List(&Form::List(&Form::FieldName, 1), 0),
        "How leads that were never linked find each other: the first list of fields that all agree, and are filled, decides.",
    ),
    default(
        "max_change",
        Form::Percentage,
        r#""20%""#,
        "Brake: a cycle that would change more than this share of all links, and more than 25, stops and asks; \"off\" lifts it.",
    ),
    default(
        "max_delete",
        Form::Whole(0, u32::MAX as i64),
        "10",
        "Brake: a cycle that would carry out more deletes than this carries out none, and asks.",
    ),
    default(
        "filter",
        Form::Text,
        r#""""#,
        "An expression over the values of fields, by their names: leads of which it is not true are left alone; empty: all take part.",
    ),
    default(
        "leaves",
        Form::Word(|| words(&LEAVES_WORDS)),
        r#""stop""#,
        "What becomes of a link when a lead leaves a filter: it rests (stop), or forgets what was in step too (unlink).",
    ),
    optional("converted", Form::Table, "The value that a lead gets when its counterpart was converted."),
];

const CONVERTED: &[Key] = &[
    required("field", Form::FieldName, "The name of the field of the mapping that gets the value."),
    optional(
        "operate",
        Form::Filled,
        "What it gets in Operate, in Operate's spelling, when the Salesforce lead was converted; left out: nothing.",
    ),
    optional(
        "salesforce",
        Form::Filled,
        "What it gets in Salesforce, in Salesforce's spelling, when the Operate lead was converted; left out: nothing.",
    ),
];

const OPS: &[Key] = &[
    default(
        "listen",
        Form::Text,
        r#""127.0.0.1:8080""#,
        "Where health, metrics and the status page are served: an IP address and a port (0: a free one); empty: nowhere.",
    ),
    optional(
        "token",
        Form::Secret,
        "Whoever knows it may settle, retry, pause and resume from the status page; left out: nobody, and the page only shows.",
    ),
    optional(
        "operate_hook",
        Form::Secret,
        "The secret end of the address `/hooks/operate/…` to which Operate's outbound messages are sent; left out: none are taken.",
    ),
    default("drain", Form::Duration("0s", "10m"), r#""20s""#, "How long the daemon's end waits for writes under way."),
    default(
        "keep_history",
        Form::DurationOrOff("30d", "36500d"),
        r#""730d""#,
        "How long settled writes, settled conflicts and the log of people's actions are kept; \"off\": for good.",
    ),
    default(
        "keep_cycles",
        Form::DurationOrOff("2d", "36500d"),
        r#""35d""#,
        "How long the records of cycles are kept; \"off\": for good.",
    ),
    optional("alert", Form::Table, "A webhook that is told what waits for a person."),
];

const ALERT: &[Key] = &[
    required("webhook", Form::Secret, "Where messages are posted: an https address, which is kept like a password."),
    default(
        "format",
        Form::Word(|| words(&FORMAT_WORDS)),
        r#""generic""#,
        "A JSON object with all that is known (generic), or a text as Slack takes it (slack).",
    ),
    default(
        "on",
        Form::List(&Form::Word(|| words(&ALERT_WORDS)), 0),
        r#"["parked", "conflict", "brake", "auth", "lag"]"#,
        "What messages are about.",
    ),
    default(
        "lag",
        Form::Duration("10s", "1d"),
        r#""15m""#,
        "How old the last complete poll or the oldest waiting write may be before that is told.",
    ),
    default("every", Form::Duration("10s", "1d"), r#""15m""#, "The least time between two messages about the same."),
];
