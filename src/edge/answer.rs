//! Answers and refusals as HTTP.

use super::refusal::Refusal;
use super::seam::Answer;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let Answer { status, headers, body } = answer;
    let built = headers
        .iter()
        .fold(Response::builder().status(status), |response, (name, value)| {
            response.header(name, value)
        })
        .body(Full::new(Bytes::from(body)));
    built.unwrap_or_else(|fault| {
        tracing::error!(%fault, "an answer cannot be written as HTTP");
        refuse(Refusal::Broken)
    })
}

pub(super) fn refuse(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(refusal.body())));
    *response.status_mut() = StatusCode::from_u16(refusal.status()).unwrap_or_default();
    let fields = response.headers_mut();
    let problem = HeaderValue::from_static("application/problem+json");
    fields.insert(header::CONTENT_TYPE, problem);
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if refusal == Refusal::Busy {
        fields.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s()));
    }
    response
}

/// 1 to 3 seconds, by the clock's last digits: who was refused together does not come again together.
fn retry_after_s() -> u32 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.subsec_micros() % 3 + 1
}
