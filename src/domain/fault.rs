//! Fault: a request that ended badly. The one table of status codes.
//!
//! What ClearML's SDK does with a code decides it (`clearml/backend_api/session/session.py`): 502, 503 and 429 are
//! tried again, 503 is waited on for ever, **500 and 504 end the experiment's call**. So 503 whenever not one byte
//! reached a target, 502 when a target broke off, 504 only after `timeouts.first_byte`.

use http::StatusCode;
use std::borrow::Cow;
use std::time::Duration;

/// Who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The sender of the request.
    Client,
    /// This proxy, or its configuration and limits.
    Proxy,
    /// The service behind us.
    Target,
}

impl Side {
    /// `client`, `proxy` or `target`, as in logs and in the `X-Fault` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Proxy => "proxy",
            Self::Target => "target",
        }
    }
}

macro_rules! fault_kinds {
    ($($(#[$doc:meta])* $name:ident => $side:ident, $status:expr, $code:literal, $public:literal;)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum FaultKind { $($(#[$doc])* $name,)* }

        impl FaultKind {
            /// Every kind, for tables and counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Whose fault it is.
            #[must_use]
            pub const fn side(self) -> Side { match self { $(Self::$name => Side::$side,)* } }

            /// The status the client gets, where an answer can still be given.
            #[must_use]
            pub fn status(self) -> StatusCode {
                StatusCode::from_u16(match self { $(Self::$name => $status,)* }).unwrap_or(StatusCode::BAD_GATEWAY)
            }

            /// A short stable name for logs, counters and the `X-Fault` header.
            #[must_use]
            pub const fn code(self) -> &'static str { match self { $(Self::$name => $code,)* } }

            /// One sentence for the person at the other end.
            #[must_use]
            pub const fn public(self) -> &'static str { match self { $(Self::$name => $public,)* } }
        }
    };
}

// 499 is never sent: it marks, in the log, a client that left before its answer.
fault_kinds! {
    /// The head cannot be parsed, or could be read in two ways.
    Malformed => Client, 400, "malformed_request", "The request is malformed.";
    /// Missing, repeated or invalid `Host`, or it disagrees with the request target.
    BadHost => Client, 400, "bad_host", "The request names no valid host.";
    /// Both lengths, several lengths, or an invalid one.
    BadLength => Client, 400, "bad_length", "The length of the request body is ambiguous.";
    /// A transfer coding other than one `chunked`.
    BadTransferCoding => Client, 501, "bad_transfer_coding", "The transfer coding of the request is not supported.";
    /// The body broke its own framing: a bad chunk, or fewer bytes than announced.
    BadBody => Client, 400, "bad_body", "The request body is malformed.";
    /// Plain HTTP on the TLS port.
    PlainOnTls => Client, 400, "plain_http_on_tls_port", "This port speaks HTTPS; the request came as plain HTTP.";
    /// A request that plain HTTP would lose or that a redirect would break.
    HttpsRequired => Client, 403, "https_required", "This request must be sent to the https URL.";
    /// A host that no configured domain has, covered by our certificate.
    UnknownHost => Client, 404, "unknown_host", "No ClearML service is served under this host name.";
    /// A host that is neither configured nor covered by our certificate.
    Misdirected => Client, 421, "misdirected_request", "This server does not answer for this host name.";
    /// A host that asks for client certificates, on a connection that was not asked for one.
    OtherConnection => Client, 421, "other_connection_needed", "This host needs a connection that was made for it.";
    /// The host is for clients with a certificate, and this one has none.
    ClientCertificateRequired => Client, 403, "client_certificate_required", "This host is only for clients with a certificate.";
    /// The client's certificate is none that the host accepts now.
    ClientCertificateRefused => Client, 403, "client_certificate_refused", "The client certificate of this connection is not accepted.";
    /// An API call that the client's settings send to another service.
    CallMisplaced => Client, 400, "call_to_wrong_service", "This is not ClearML's API.";
    /// An upload that the client's settings send to another service.
    UploadMisplaced => Client, 400, "upload_to_wrong_service", "This service stores no files.";
    /// `CONNECT` or `TRACE`.
    MethodRefused => Client, 405, "method_refused", "This method is not served.";
    /// The head did not arrive in time.
    HeadTimeout => Client, 408, "head_timeout", "The request did not arrive in time.";
    /// A foreign page used the browser of somebody who is signed in.
    CrossSite => Client, 403, "cross_site", "This request comes from a page that may not make it.";
    /// The file server is behind the gate, and the request has no good token.
    TokenRequired => Client, 401, "token_required", "Files are given and taken only with a token that the API server accepts.";
    /// Too many logins failed.
    TooManyLogins => Client, 429, "too_many_logins", "Too many logins failed. Please try again later.";
    /// Removing files is refused here.
    RemovalRefused => Client, 403, "removal_refused", "Files are not removed through this address.";
    /// The body came slower than the minimum rate.
    SlowBody => Client, 408, "slow_body", "The request body arrived too slowly.";
    /// The body is over the service's limit.
    BodyTooLarge => Client, 413, "body_too_large", "The request body is larger than this server allows.";
    /// The request target is too long.
    TargetTooLong => Client, 414, "target_too_long", "The URL is too long.";
    /// An `Expect` other than `100-continue`.
    BadExpectation => Client, 417, "bad_expectation", "The expectation of the request cannot be met.";
    /// Too many bytes of header.
    HeadTooLarge => Client, 431, "head_too_large", "The request header is too large.";
    /// Too many header fields.
    TooManyHeaders => Client, 431, "too_many_headers", "The request has too many header fields.";
    /// HTTP/1.x is the only version on this connection.
    BadVersion => Client, 505, "bad_version", "This HTTP version is not supported.";
    /// The client left before it had its answer.
    ClientGone => Client, 499, "client_gone", "The client closed the connection.";
    /// The client took no byte of its answer for too long.
    StalledClient => Client, 499, "stalled_client", "The client stopped reading.";
    /// A limit of the process is reached.
    Overloaded => Proxy, 503, "overloaded", "The proxy is at its limit. Please try again.";
    /// A stop was asked for and its deadline passed.
    Stopping => Proxy, 503, "stopping", "The proxy is restarting. Please try again.";
    /// An operator has closed the service for a while.
    Maintenance => Proxy, 503, "maintenance", "This service is closed for maintenance.";
    /// An invariant did not hold; the log has more.
    Internal => Proxy, 500, "internal", "The proxy failed to handle the request.";
    /// No connection to any target in time. Not one byte was sent.
    Unreachable => Target, 503, "target_unreachable", "The service behind this address does not accept connections right now.";
    /// The API server did not say whether a token is good. Not one byte of the request was sent.
    TokenUnchecked => Target, 503, "token_unchecked", "The token could not be checked, because the API server does not answer right now.";
    /// As many requests wait for a slot of the target as may. Not one byte was sent.
    QueueFull => Target, 503, "queue_full", "The service is busy and too many requests wait for it. Please try again.";
    /// No slot of the target became free in time. Not one byte was sent.
    QueueTimeout => Target, 503, "queue_timeout", "The service is busy. Please try again.";
    /// The target closed or broke the connection after it may have seen bytes of the request.
    Broken => Target, 502, "target_broke_off", "The service closed the connection before it answered.";
    /// The target's answer breaks the protocol.
    BadAnswer => Target, 502, "bad_answer", "The service gave an answer that cannot be passed on.";
    /// No answer within `timeouts.first_byte`.
    NoAnswer => Target, 504, "no_answer", "The service did not answer in time.";
    /// The answer stopped half-way.
    Truncated => Target, 502, "truncated_answer", "The service broke off in the middle of its answer.";
}

impl FaultKind {
    /// When the client may try again: only where not one byte reached a target, so that a repetition is safe.
    #[must_use]
    pub const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Overloaded
            | Self::Stopping
            | Self::Maintenance
            | Self::Unreachable
            | Self::TokenUnchecked
            | Self::TooManyLogins
            | Self::QueueFull
            | Self::QueueTimeout => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    /// The position in `ALL`, for counters.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A request that ended badly: what, and the detail for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong.
    pub kind: FaultKind,
    /// The value and the limit, or the error's own words. May be shown to the client where the client caused it.
    pub detail: Cow<'static, str>,
    /// When the client may try again, where that is known better than by the kind.
    pub again: Option<Duration>,
}

impl Fault {
    /// A fault with its detail.
    pub fn new(kind: FaultKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), again: None }
    }

    /// The same, to be tried again after `wait`.
    #[must_use]
    pub fn again_after(self, wait: Duration) -> Self {
        Self { again: Some(wait), ..self }
    }

    /// When the client may try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.again.or_else(|| self.kind.retry_after())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.detail)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_promised_only_with_503_and_429() {
        for kind in FaultKind::ALL {
            let again = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&kind.status());
            assert_eq!(kind.retry_after().is_some(), again, "{kind:?}");
        }
    }

    #[test]
    fn only_a_silent_target_gives_504_and_only_ourselves_500() {
        let with =
            |status: u16| FaultKind::ALL.iter().filter(|kind| kind.status() == status).copied().collect::<Vec<_>>();
        assert_eq!(with(504), [FaultKind::NoAnswer]);
        assert_eq!(with(500), [FaultKind::Internal]);
    }

    #[test]
    fn the_side_fits_the_status() {
        for kind in FaultKind::ALL {
            let client_error = kind.status().is_client_error() || matches!(kind.status().as_u16(), 501 | 505);
            assert_eq!(kind.side() == Side::Client, client_error, "{kind:?}");
        }
    }

    #[test]
    fn codes_are_unique_and_indices_follow_the_table() {
        for (index, kind) in FaultKind::ALL.iter().enumerate() {
            assert_eq!(kind.index(), index);
            assert_eq!(FaultKind::ALL.iter().filter(|other| other.code() == kind.code()).count(), 1);
        }
    }
}
