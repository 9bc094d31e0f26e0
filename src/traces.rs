//! Traces to an OpenTelemetry collector, by OTLP over HTTP: a span a cycle, poll, batch of writes and request, with the events of the log.

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

/// The standard names of where a collector is. Without either, there is none.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Sends spans in the background; what is left is sent when this is dropped.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector that the environment names.
    #[must_use]
    pub fn to_collector() -> Option<Self> {
        ENDPOINTS.iter().find(|name| std::env::var_os(name).is_some_and(|endpoint| !endpoint.is_empty()))?;
        let exporter = SpanExporter::builder().with_http().build().ok()?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("leadsync").with_attribute(version).build();
        Some(Self(SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()))
    }

    /// What spans go through.
    #[must_use]
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let filter = Targets::new().with_target("leadsync", LevelFilter::DEBUG);
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("leadsync")).with_filter(filter)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A collector that is gone has told so in the log before.
        let _ = self.0.shutdown();
    }
}
