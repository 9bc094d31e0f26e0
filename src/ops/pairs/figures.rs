//! `/metrics` of a process with many pairs: its own figures once, and each pair's with the label `pair`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use futures_util::{StreamExt as _, stream};
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::super::figures;
use super::{Pairs, Role, Shown};

/// So many stores are asked at a time.
const AT_ONCE: usize = 16;
/// How long a store may take: what it knows is left out then.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long all of them may take together: Prometheus waits 10 seconds for an answer, unless it is told otherwise.
const PATIENCE_WITH_ALL: Duration = Duration::from_secs(8);

pub(super) fn routes() -> Router<Arc<Pairs>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(pairs): State<Arc<Pairs>>) -> Response {
    let all = pairs.all();
    let mut texts = vec![encoded(&of_process(&pairs, &all))];
    let end = Instant::now() + PATIENCE_WITH_ALL;
    let asked = stream::iter(all).map(|(name, shown)| {
        let span = tracing::error_span!("pair", pair = name);
        async move { encoded(&of_pair(name, &shown, end).await) }.instrument(span)
    });
    texts.extend(asked.buffered(AT_ONCE).collect::<Vec<_>>().await);
    let texts: Option<Vec<String>> = texts.into_iter().collect();
    let Some(texts) = texts else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    figures::answer(merged(&texts))
}

fn encoded(registry: &Registry) -> Option<String> {
    let mut text = String::new();
    encode_registry(&mut text, registry).ok().map(|()| text)
}

fn of_process(pairs: &Pairs, all: &[(String, Shown)]) -> Registry {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("leadsync");
    figures::build(own);
    let family = Family::<[(&'static str, &'static str); 1], Gauge>::default();
    for role in Role::ALL {
        let count = all.iter().filter(|(_, shown)| shown.role() == role).count();
        family.get_or_create(&[("role", role.as_str())]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    own.register("pairs", "Pairs of this process, by what they are to it", family);
    figures::of_process(&mut registry, pairs.started_at);
    registry
}

async fn of_pair(name: String, shown: &Shown, end: Instant) -> Registry {
    let label = ("pair".into(), name.into());
    let mut registry = Registry::with_prefix_and_labels("leadsync", std::iter::once(label));
    match shown {
        Shown::Leads(ops) => {
            figures::counted(&mut registry, ops);
            let end = end.min(Instant::now() + PATIENCE);
            if timeout_at(end, figures::asked_of_store(&mut registry, ops)).await.is_err() {
                tracing::error!(error = "it did not answer in time", "ops.store_unreadable");
            }
        }
        Shown::StandsBy(_) | Shown::Fails(_) => figures::leader(&mut registry, false),
    }
    registry
}

/// What several expositions say of a family.
#[derive(Default)]
struct Told<'a> {
    /// Which of them says it first. Only its description is kept: they all say the same.
    first: usize,
    description: Vec<&'a str>,
    samples: Vec<&'a str>,
}

/// One exposition of several, by the names of families. `OpenMetrics` wants a family described once, and all its samples below that.
fn merged(texts: &[String]) -> String {
    let mut families: BTreeMap<&str, Told<'_>> = BTreeMap::new();
    for (place, text) in texts.iter().enumerate() {
        let mut name = "";
        for line in text.lines() {
            if !line.starts_with('#') {
                families.entry(name).or_default().samples.push(line);
                continue;
            }
            // `# TYPE name gauge`; what has no third word is the end.
            let Some(described) = line.split(' ').nth(2) else { continue };
            name = described;
            let family = families.entry(name).or_insert_with(|| Told { first: place, ..Told::default() });
            if family.first == place {
                family.description.push(line);
            }
        }
    }
    let lines = families.values().flat_map(|family| family.description.iter().chain(&family.samples));
    lines.copied().chain(["# EOF"]).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_of_several_expositions_are_each_described_once() {
        let own = "# HELP leadsync_build The program.\n# TYPE leadsync_build info\nleadsync_build_info{version=\"1\"} 1\n\
                   # HELP process_cpu_seconds Time.\n# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n\
                   process_cpu_seconds_total 0.5\n";
        let leader = |pair: &str| {
            format!("# HELP leadsync_leader Leads.\n# TYPE leadsync_leader gauge\nleadsync_leader{{pair=\"{pair}\"}} 1\n")
        };
        let polls = |pair: &str| {
            let sample = |side: &str| format!("leadsync_polls_total{{pair=\"{pair}\",side=\"{side}\"}} 2\n");
            format!("# HELP leadsync_polls Polls.\n# TYPE leadsync_polls counter\n{}{}", sample("operate"), sample("salesforce"))
        };
        let texts = [own.to_owned(), leader("a"), polls("b") + &leader("b"), leader("c") + &polls("c") + "# EOF\n"];
        let expected = "# HELP leadsync_build The program.\n# TYPE leadsync_build info\nleadsync_build_info{version=\"1\"} 1\n\
                        # HELP leadsync_leader Leads.\n# TYPE leadsync_leader gauge\n\
                        leadsync_leader{pair=\"a\"} 1\nleadsync_leader{pair=\"b\"} 1\nleadsync_leader{pair=\"c\"} 1\n\
                        # HELP leadsync_polls Polls.\n# TYPE leadsync_polls counter\n\
                        leadsync_polls_total{pair=\"b\",side=\"operate\"} 2\nleadsync_polls_total{pair=\"b\",side=\"salesforce\"} 2\n\
                        leadsync_polls_total{pair=\"c\",side=\"operate\"} 2\nleadsync_polls_total{pair=\"c\",side=\"salesforce\"} 2\n\
                        # HELP process_cpu_seconds Time.\n# TYPE process_cpu_seconds counter\n# UNIT process_cpu_seconds seconds\n\
                        process_cpu_seconds_total 0.5\n# EOF\n";
        assert_eq!(merged(&texts), expected);
    }

    #[test]
    fn of_nothing_there_is_an_exposition_too() {
        assert_eq!(merged(&[]), "# EOF\n");
    }
}
