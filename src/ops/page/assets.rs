//! The style, the script and the icon, out of the program itself.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let style = || async { asset("text/css; charset=utf-8", include_str!("assets/style.css")) };
    let script = || async { asset("text/javascript; charset=utf-8", include_str!("assets/page.js")) };
    let icon = || async { asset("image/svg+xml", include_str!("assets/icon.svg")) };
    Router::new()
        .route("/assets/style.css", get(style))
        .route("/assets/page.js", get(script))
        .route("/assets/icon.svg", get(icon))
}

/// Pages name assets with the program's version, so that none is kept for longer than it fits.
fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text).into_response()
}
