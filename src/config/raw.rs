//! Configuration as it is written. Every key is optional here: a file of `conf.d` holds a part, and a
//! missing key is told with the others by the checks.

use serde::Deserialize;
use std::collections::BTreeMap;

macro_rules! written {
    ($($name:ident { $($field:ident : $kind:ty),* $(,)? })*) => {
        $(
            #[derive(Debug, Default, Clone, Deserialize)]
            #[serde(deny_unknown_fields, default)]
            pub(super) struct $name {
                $(pub(super) $field: $kind,)*
            }
        )*
    };
}

type Text = Option<String>;
type Number = Option<u64>;

written! {
    RawConfig {
        gateway: RawGateway,
        keys: RawKeys,
        internal: RawInternal,
        journal: RawJournal,
        engine: RawEngine,
        reversal: RawReversal,
        channel: Vec<RawChannel>,
        host: Vec<RawHost>,
        route: Vec<RawRoute>,
        merchant: Vec<RawMerchant>,
    }
    RawGateway {
        name: Text,
        mode: Text,
        data_dir: Text,
        protocols_dir: Text,
        time_zone: Text,
        business_day_ends: Text,
        business_day: Text,
        business_day_host: Text,
        drain_timeout_ms: Number,
        seams: Text,
        log: RawLog,
    }
    RawLog { format: Text, level: Text }
    RawKeys { file: Text, passphrase: Option<RawSecret> }
    RawSecret { env: Text, file: Text }
    RawInternal { listen: Text, control_socket: Text, ready_age_max_ms: Number }
    RawJournal {
        segment_bytes: Number,
        batch_records_max: Number,
        unapplied_max: Number,
        ballast_bytes: Number,
        second: Text,
        format: Number,
        retention_days: Number,
    }
    RawEngine {
        open_payments_max: Number,
        recent_payments_max: Number,
        waiters_max: Number,
        accept_within_ms: Number,
    }
    RawReversal {
        gaps_ms: Option<Vec<u64>>,
        give_up_after_s: Number,
        unknown_original_wait_ms: Number,
        alarm_after_s: Number,
    }
    RawChannel {
        name: Text,
        kind: Text,
        listen: Text,
        public_address: Text,
        signature_window_s: Number,
        http2: Option<bool>,
        tls: RawTls,
        limits: RawLimits,
    }
    RawTls { certificate: Text, key: Text, client_certificates: Option<RawClientCertificates> }
    RawClientCertificates { ca: Text, required: Option<bool> }
    RawLimits {
        header_bytes_max: Number,
        headers_max: Number,
        header_time_ms: Number,
        request_time_ms: Number,
        body_bytes_max: Number,
        body_rate_min_bytes_per_s: Number,
        body_rate_grace_ms: Number,
        handshake_time_ms: Number,
        handshakes_max: Number,
        connections_max: Number,
        connections_per_source_max: Number,
        idle_time_ms: Number,
        answer_time_ms: Number,
        requests_per_connection_max: Number,
        requests_in_flight_max: Number,
        http2_streams_max: Number,
        http2_reading_max: Number,
        http2_stream_window_bytes: Number,
        http2_connection_window_bytes: Number,
        http2_frame_bytes_max: Number,
        http2_header_table_bytes: Number,
        http2_send_buffer_bytes_max: Number,
        http2_pending_resets_max: Number,
        http2_error_resets_max: Number,
        http2_control_frames_per_s_max: Number,
        http2_ping_after_ms: Number,
        http2_ping_timeout_ms: Number,
    }
    RawHost {
        name: Text,
        dialect: Text,
        mapping: Text,
        frame: Text,
        header: Text,
        keep_alives: Text,
        keep_alives_every_ms: Number,
        acquirer: Text,
        forwarder: Text,
        in_flight_max: Number,
        reply_timeout_ms: Number,
        reply_slow_ms: Number,
        breaker_silences: Number,
        breaker_wait_ms: Number,
        reply_frame_bytes_max: Number,
        echo_after_ms: Number,
        sign_on_timeout_ms: Number,
        connect_timeout_ms: Number,
        reconnect_min_ms: Number,
        reconnect_max_ms: Number,
        late_answer_window: Number,
        advices_per_second: Number,
        open_payments_max: Number,
        line: Vec<RawLine>,
    }
    RawLine { name: Text, address: Text }
    RawRoute {
        name: Text,
        host: Text,
        failover: Option<Vec<String>>,
        bins: Option<Vec<String>>,
        merchants: Option<Vec<String>>,
        operations: Option<Vec<String>>,
    }
    RawMerchant {
        id: Text,
        name: Text,
        time_zone: Text,
        category: Text,
        terminal: Text,
        acceptor: Text,
        name_location: Text,
        host: Text,
        operations: Option<Vec<String>>,
        currencies: Option<Vec<String>>,
        amount_max: BTreeMap<String, u64>,
        one_payment_per_order: Option<bool>,
        partial_approval: Option<bool>,
        weight: Number,
        response_algorithm: Text,
        client_certificate: Option<RawClientCertificate>,
        key: Vec<RawMerchantKey>,
    }
    RawClientCertificate { spki_sha256: Text, subject: Text }
    RawMerchantKey {
        id: Text,
        algorithm: Text,
        public_key: Text,
        not_before: Text,
        not_after: Text,
        revoked: Option<bool>,
    }
}
