//! `/limits`: what the org may use in 24 hours, and of storage; and how long the head of a request may be.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::Salesforce;
use super::errors::Fail;
use crate::sandbox::http::{Answer, Call};

/// The longest address, and the longest address and headers together.
const LONGEST_HEAD: usize = 16_384;

/// What an org of this size has, and nothing here uses up.
const UNUSED: [(&str, u64); 20] = [
    ("AnalyticsExternalDataSizeMB", 40_960),
    ("BOZosCalloutHourlyLimit", 20_000),
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentEinsteinDataInsightsStoryCreation", 5),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyBulkV2QueryFileStorageMB", 976_562),
    ("DailyDeliveredPlatformEvents", 10_000),
    ("DailyDurableGenericStreamingApiEvents", 10_000),
    ("DailyDurableStreamingApiEvents", 10_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyStreamingApiEvents", 10_000),
    ("DailyWorkflowEmails", 1_000),
    ("HourlyAsyncReportRuns", 1_200),
    ("HourlyPublishedPlatformEvents", 50_000),
    ("HourlySyncReportRuns", 500),
    ("HourlyTimeBasedWorkflow", 1_000),
    ("MassEmail", 5_000),
    ("SingleEmail", 5_000),
];

impl Salesforce {
    pub(super) fn limits(&self) -> Answer {
        let state = self.state();
        let allowed = state.leads.switches.limits.daily_requests.unwrap_or(self.daily_requests);
        let (loads, queries) = state.jobs.counts();
        // A lead takes 2 kB of the org's storage, whatever is in it.
        let megabytes = u64::try_from(state.leads.all().count()).unwrap_or_default() * 2 / 1_024;
        let used = [
            ("DailyApiRequests", allowed, state.requests),
            ("DailyBulkApiBatches", 15_000, loads),
            ("DailyBulkV2QueryJobs", 10_000, queries),
            ("DataStorageMB", 1_024, megabytes),
            ("FileStorageMB", 1_024, 0),
        ];
        let unused = UNUSED.map(|(name, most)| (name, most, 0));
        let limit = |(name, most, used): (&str, u64, u64)| {
            (name.to_owned(), json!({ "Max": most, "Remaining": most.saturating_sub(used) }))
        };
        let all: Map<String, Json> = used.into_iter().chain(unused).map(limit).collect();
        Answer::json(StatusCode::OK, &all)
    }
}

/// Refuses a request whose address, or address and headers, are too long.
pub(super) fn too_long(call: &Call) -> Option<Answer> {
    let headers: usize = call.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let refuse = |status, code, message: &str| Some(Fail::new(status, code, message).answer());
    if call.uri_length > LONGEST_HEAD {
        refuse(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "URI Too Long")
    } else if call.uri_length + headers > LONGEST_HEAD {
        let message = "Request Header Fields Too Large";
        refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "REQUEST_HEADER_FIELDS_TOO_LARGE", message)
    } else {
        None
    }
}
