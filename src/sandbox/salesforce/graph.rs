//! `composite/graph`: several graphs of single writes; each is done as a whole or not at all.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::Salesforce;
use super::composite::{Part, check_references};
use super::errors::Fail;
use crate::sandbox::http::{Answer, Call};

/// Graphs of one request.
const MOST_GRAPHS: usize = 75;
/// Nodes of all graphs together.
const MOST_NODES: usize = 500;
/// Graphs that may fail before the rest are not tried.
const MOST_FAILED: usize = 14;

#[derive(Deserialize)]
struct Graphs {
    graphs: Vec<Graph>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Graph {
    graph_id: String,
    composite_request: Vec<Part>,
}

impl Salesforce {
    pub(super) fn graph(&self, call: &Call, version: &str) -> Result<Answer, Fail> {
        let Graphs { graphs } = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        check(&graphs, version)?;
        let mut failed = 0;
        let mut shown = Vec::new();
        for graph in &graphs {
            let (results, is_good): (Vec<Json>, bool) = if failed >= MOST_FAILED {
                (Vec::new(), false)
            } else {
                self.parts(call, version, &graph.composite_request, true)
            };
            failed += usize::from(!is_good);
            shown.push(json!({
                "graphId": graph.graph_id, "graphResponse": { "compositeResponse": results }, "isSuccessful": is_good,
            }));
        }
        Ok(Answer::json(StatusCode::OK, &json!({ "graphs": shown })))
    }
}

fn check(graphs: &[Graph], version: &str) -> Result<(), Fail> {
    if graphs.len() > MOST_GRAPHS {
        return Err(Fail::bad("LIMIT_EXCEEDED", format!("The limit of {MOST_GRAPHS} graphs is exceeded")));
    }
    if graphs.iter().map(|graph| graph.composite_request.len()).sum::<usize>() > MOST_NODES {
        return Err(Fail::bad("LIMIT_EXCEEDED", format!("The limit of {MOST_NODES} nodes is exceeded")));
    }
    for (number, graph) in graphs.iter().enumerate() {
        if graph.graph_id.is_empty() || graphs.iter().take(number).any(|other| other.graph_id == graph.graph_id) {
            return Err(Fail::bad("INVALID_INPUT", format!("Invalid graph ID: {}", graph.graph_id)));
        }
        check_references(&graph.composite_request)?;
        let records = format!("/services/data/{version}/sobjects/");
        if let Some(other) = graph.composite_request.iter().find(|part| !part.url.starts_with(&records)) {
            return Err(Fail::bad("INVALID_INPUT", format!("Only records can be nodes of a graph, and {} is none", other.url)));
        }
    }
    Ok(())
}
