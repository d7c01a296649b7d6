//! End to end: the real binary, real sockets, raw bytes. `docs/request.md` follows the same path through the code.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking and says why"
)]

mod access_log;
mod admin_listener;
mod answer_headers;
mod answers;
mod bodies;
mod broken_answers;
mod certificates;
mod certs;
mod chunks;
mod client_certificates;
mod control;
mod cookies;
mod cross_site;
mod default_keys;
mod drain;
mod early_answers;
mod explain;
mod faults;
mod feed;
mod files_hardening;
mod floods;
mod framing;
mod handover;
mod handshakes;
mod headers;
mod hold;
mod host;
mod http2;
mod http_listener;
mod informational;
mod layouts;
mod legacy_ports;
mod limits;
mod local;
mod logins;
mod memory;
mod methods;
mod metrics;
mod no_replay;
mod parking;
mod probes;
mod proxy_protocol;
mod regressions;
mod reload;
mod rescue;
mod routing;
mod shares;
mod support;
mod target_faults;
mod timeouts;
mod tls;
mod tls_policies;
mod tls_targets;
mod token_gate;
mod traces;
mod traffic;
mod turns;
mod upgrade;
mod web_configuration;
mod wrong_service;
