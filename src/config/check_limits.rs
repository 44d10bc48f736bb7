//! Checks the limits of a listener.

use super::check::Checker;
use super::raw::RawLimits;
use super::values::{Channel, Engine};
use crate::edge::limits::{Http2Limits, Limits};
use std::ops::RangeInclusive;

impl Checker {
    pub(super) fn limits(&mut self, table: &str, raw: &RawLimits) -> Limits {
        let default = Limits::default();
        let key = |name: &str| format!("{table}.{name}");
        macro_rules! limit {
            ($check:ident, $field:ident, $name:ident, $range:expr) => {
                self.$check(&key(stringify!($name)), raw.$name, default.$field, $range)
            };
        }
        let limits = Limits {
            header_bytes_max: limit!(count, header_bytes_max, header_bytes_max, 1_024..=65_536),
            headers_max: limit!(count, headers_max, headers_max, 8..=256),
            header_time: limit!(millis, header_time, header_time_ms, 10..=60_000),
            request_time: limit!(millis, request_time, request_time_ms, 10..=600_000),
            body_bytes_max: limit!(count, body_bytes_max, body_bytes_max, 1_024..=16_777_216),
            body_rate_min_bytes_per_s: limit!(
                number,
                body_rate_min_bytes_per_s,
                body_rate_min_bytes_per_s,
                1..=1_048_576
            ),
            body_rate_grace: limit!(millis, body_rate_grace, body_rate_grace_ms, 10..=60_000),
            handshake_time: limit!(millis, handshake_time, handshake_time_ms, 10..=60_000),
            handshakes_max: limit!(count, handshakes_max, handshakes_max, 1..=65_536),
            connections_max: limit!(count, connections_max, connections_max, 1..=1_000_000),
            connections_per_source_max: limit!(
                count,
                connections_per_source_max,
                connections_per_source_max,
                1..=1_000_000
            ),
            idle_time: limit!(millis, idle_time, idle_time_ms, 10..=3_600_000),
            answer_time: limit!(millis, answer_time, answer_time_ms, 10..=600_000),
            requests_per_connection_max: limit!(
                number,
                requests_per_connection_max,
                requests_per_connection_max,
                1..=1_000_000_000
            ),
            requests_in_flight_max: limit!(
                count,
                requests_in_flight_max,
                requests_in_flight_max,
                1..=1_000_000
            ),
            http2: self.http2_limits(table, raw),
        };
        if limits.header_time > limits.request_time {
            let wanted = "no more than request_time_ms is wanted";
            self.fault(&key("header_time_ms"), "is longer than the whole request", wanted);
        }
        limits
    }

    /// The engine's inbox takes what all listeners may let in: nobody who came so far is refused there, least of
    /// all a question.
    pub(super) fn inbox(&mut self, engine: &Engine, channels: &[Channel]) {
        let all: usize = channels.iter().map(|it| it.limits.requests_in_flight_max).sum();
        if engine.waiters_max < all {
            let wanted = format!("{all} or more is wanted: requests_in_flight_max of all channels");
            self.fault("engine.waiters_max", "is less than listeners let in", wanted);
        }
    }

    fn http2_limits(&mut self, table: &str, raw: &RawLimits) -> Http2Limits {
        let default = Http2Limits::default();
        let key = |name: &str| format!("{table}.{name}");
        macro_rules! limit {
            ($check:ident, $field:ident, $name:ident, $range:expr) => {
                self.$check(&key(stringify!($name)), raw.$name, default.$field, $range)
            };
        }
        macro_rules! small {
            ($field:ident, $name:ident, $range:expr) => {
                self.small(&key(stringify!($name)), raw.$name, default.$field, $range)
            };
        }
        let (window, many) = (65_535..=16_777_216, 1..=65_536);
        Http2Limits {
            streams_max: small!(streams_max, http2_streams_max, 1..=10_000),
            reading_max: limit!(count, reading_max, http2_reading_max, 1..=1_000_000),
            stream_window_bytes: small!(
                stream_window_bytes,
                http2_stream_window_bytes,
                window.clone()
            ),
            connection_window_bytes: small!(
                connection_window_bytes,
                http2_connection_window_bytes,
                window
            ),
            frame_bytes_max: small!(frame_bytes_max, http2_frame_bytes_max, 16_384..=1_048_576),
            header_table_bytes: small!(header_table_bytes, http2_header_table_bytes, 0..=65_536),
            send_buffer_bytes_max: limit!(
                count,
                send_buffer_bytes_max,
                http2_send_buffer_bytes_max,
                1_024..=16_777_216
            ),
            pending_resets_max: limit!(
                count,
                pending_resets_max,
                http2_pending_resets_max,
                many.clone()
            ),
            error_resets_max: limit!(count, error_resets_max, http2_error_resets_max, many),
            control_frames_per_s_max: small!(
                control_frames_per_s_max,
                http2_control_frames_per_s_max,
                10..=100_000
            ),
            ping_after: limit!(millis, ping_after, http2_ping_after_ms, 100..=3_600_000),
            ping_timeout: limit!(millis, ping_timeout, http2_ping_timeout_ms, 100..=600_000),
        }
    }

    /// A number in a range that fits 32 bits, with a default.
    pub(super) fn small(
        &mut self,
        key: &str,
        raw: Option<u64>,
        default: u32,
        range: RangeInclusive<u64>,
    ) -> u32 {
        u32::try_from(self.number(key, raw, default.into(), range)).unwrap_or(default)
    }
}
