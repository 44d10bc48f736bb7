//! The description of the channel for programs: an OpenAPI 3.1 document, written by hand beside the
//! code and held to it by the stories of `stories/openapi.rs`.

use crate::edge::seam::Answer;

/// The document.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// The answer to `GET /v1/openapi.json`, unsigned: it tells nothing that is not public.
pub(super) fn answer() -> Answer {
    let headers = vec![
        ("content-type".into(), "application/json".into()),
        ("cache-control".into(), "max-age=300".into()),
    ];
    Answer { status: 200, headers, body: DOCUMENT.into() }
}
