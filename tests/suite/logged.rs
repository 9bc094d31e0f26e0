//! What the log says of writes, and of what holds them: once, and without a value.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use chrono::Utc;
use leadsync::side::{Outcome, Refusal};
use leadsync::sync::Patience;

use crate::bench::Bench;
use crate::world::Fault;

thread_local! {
    /// What this thread logs, while somebody asks for it.
    static KEPT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Keeps what threads log that want it kept.
struct Keep;

impl Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        KEPT.with_borrow_mut(|kept| kept.iter_mut().for_each(|kept| kept.extend(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The log of this thread, from now on.
struct Log;

impl Log {
    fn start() -> Self {
        // One subscriber for all threads: what one of them does not want to see is otherwise left out for the others too.
        static STARTED: Once = Once::new();
        STARTED.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_writer(|| Keep).without_time().with_ansi(false).with_target(false);
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        });
        KEPT.set(Some(Vec::new()));
        Self
    }

    /// The lines with this word since the last time it was asked, without their level.
    fn take(word: &str) -> Vec<String> {
        let kept = KEPT.replace(Some(Vec::new())).unwrap_or_default();
        let text = String::from_utf8(kept).unwrap();
        text.lines().filter(|line| line.contains(word)).map(|line| line.trim_start().to_owned()).collect()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        KEPT.set(None);
    }
}

async fn once(bench: &Bench) {
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
}

#[tokio::test]
async fn each_write_is_told_with_what_became_of_it() {
    let bench = Bench::new().await;
    let _log = Log::start();
    let (operate, salesforce) = bench.pair().await;
    let created = format!("INFO push.done side=salesforce link.id=1 lead.id=\"{salesforce}\" push.kind=\"create\"");
    assert_eq!(Log::take("push."), [created]);
    let said = Refusal::new("SAID", "what Ann wrote");
    let cases = [
        (Outcome::Retry(said.clone()), "WARN push.retry side=salesforce link.id=1 error.code=\"SAID\" push.attempts=1"),
        (Outcome::Refused(said), "WARN push.parked side=salesforce link.id=1 error.code=\"SAID\""),
        (Outcome::Moved(None), "INFO push.superseded side=salesforce link.id=1"),
    ];
    for (place, (answer, line)) in cases.into_iter().enumerate() {
        bench.operate.later();
        bench.salesforce.later();
        bench.operate.edit(&operate, "phone", &format!("9{place}"));
        bench.salesforce.answer(answer);
        once(&bench).await;
        assert_eq!(Log::take("push.").first().map(String::as_str), Some(line));
    }
    bench.cycle().await;
    Log::take("");
    bench.operate.edit(&operate, "phone", "3");
    bench.salesforce.fault(Fault::LostBefore);
    once(&bench).await;
    assert_eq!(Log::take("push.")[0], "WARN push.in_doubt side=salesforce link.id=1 error.code=\"timeout\"");
}

#[tokio::test]
async fn a_read_that_fails_while_a_write_is_settled_is_told() {
    let bench = Bench::new().await;
    let (operate, _) = bench.pair().await;
    let _log = Log::start();
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.answer(Outcome::Moved(None));
    bench.salesforce.set_reads_fail(true);
    once(&bench).await;
    assert_eq!(Log::take("push.reread_failed"), ["WARN push.reread_failed error=Salesforce cannot be reached: it is down"]);
}

#[tokio::test]
async fn what_holds_writes_is_told_when_it_begins_changes_and_ends() {
    let bench = Bench::new().await;
    let (operate, _) = bench.pair().await;
    let _log = Log::start();
    let lines = || {
        Log::take("")
            .into_iter()
            .filter(|line| line.contains("push.held") || line.contains("push.released") || line.contains("poll.slowed"))
    };
    let words = || lines().map(|line| line.split_whitespace().nth(1).unwrap().to_owned()).collect::<Vec<_>>();
    once(&bench).await;
    assert!(words().is_empty());
    bench.engine.store().pause(leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    bench.operate.edit(&operate, "phone", "2");
    once(&bench).await;
    assert_eq!(words(), ["push.held"]);
    once(&bench).await;
    assert!(words().is_empty(), "it was told");
    bench.engine.store().resume(false, leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    bench.salesforce.set_usage(9_100, 10_000);
    once(&bench).await;
    assert_eq!(words(), ["poll.slowed"]);
    bench.salesforce.set_usage(9_800, 10_000);
    once(&bench).await;
    assert_eq!(words(), ["push.held"], "less is left");
    bench.salesforce.set_usage(100, 10_000);
    once(&bench).await;
    assert_eq!(words(), ["push.released"]);
    once(&bench).await;
    assert!(words().is_empty());
}
