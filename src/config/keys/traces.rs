//! Rows: requests recorded as traces.

use super::super::slot::Slot;
use super::Key;
use http::Uri;

/// A share of one in a million is none.
const ONE_IN: (u64, u64) = (1, 1_000_000);

/// Each span has about a kilobyte.
const QUEUE: (u64, u64) = (1, 1_000_000);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "traces.endpoint",
        Slot::WordOrNone(|settings| &mut settings.traces.endpoint, ("http:// or https:// URL with a path", is_url)),
        "Where recorded requests are sent as OpenTelemetry spans: OTLP over HTTP, protobuf. Only a program\n\
         that was built with the feature `otlp` can. Requests get and keep a `traceparent` in any case.",
    )
    .unset("none: nothing is recorded", "\"http://127.0.0.1:4318/v1/traces\""),
    Key::new(
        "traces.ca",
        Slot::FileOrNone(|settings| &mut settings.traces.ca),
        "The authorities that the certificate of an https:// endpoint may come from, as a PEM file.",
    )
    .unset("the public authorities", "\"/etc/clearway/collector-ca.pem\""),
    Key::new(
        "traces.one_in",
        Slot::Count(|settings| &mut settings.traces.one_in, ONE_IN),
        "Of requests without a valid `traceparent`, one in so many is recorded. Those that have one are\n\
         recorded where it says so (sampled), and not otherwise.",
    ),
    Key::new(
        "traces.queue",
        Slot::Count(|settings| &mut settings.traces.queue, QUEUE),
        "Spans that may wait to be sent. What does not fit is dropped and counted; no request waits.",
    ),
];

fn is_url(text: &str) -> bool {
    let url = text.parse::<Uri>();
    url.is_ok_and(|url| {
        let authority = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        authority && matches!(url.scheme_str(), Some("http" | "https")) && url.path().len() > 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_url_with_a_path_and_without_a_user() {
        for (text, fits) in [
            ("http://127.0.0.1:4318/v1/traces", true),
            ("https://collector.example/v1/traces", true),
            ("http://127.0.0.1:4318", false),
            ("grpc://127.0.0.1:4317/v1/traces", false),
            ("http://user:secret@collector/v1/traces", false),
            ("collector:4318/v1/traces", false),
        ] {
            assert_eq!(is_url(text), fits, "{text}");
        }
    }
}
