//! The body of an answer that the proxy itself gives, in the form its reader understands.
//!
//! Owns: what is said, in which form: ClearML's JSON envelope on `api.` (the SDK prints `result_msg`), text on
//! `files.` (the SDK prints the whole body), a page on `app.`, text for hosts that nobody serves. Leaves: status,
//! headers and CORS to the caller. Details that a target or the proxy caused stay in the log.

use crate::domain::fault::{Fault, FaultKind, Side};
use crate::domain::names::ServiceName;
use serde_json::json;
use std::borrow::Cow;

/// Characters of a fault's detail that are shown; it can hold what the client sent.
const DETAIL_MAX: usize = 300;

/// A body and its media type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultBody {
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The text, UTF-8.
    pub body: String,
}

/// The body that tells the caller of `service` (`None`: no such host) what happened, whose fault it was, what to do
/// next, and under which id the log has it. `hint` takes the place of the general advice, where the caller knows better.
#[must_use]
pub fn fault_answer(service: Option<ServiceName>, fault: &Fault, request_id: &str, hint: Option<&str>) -> FaultBody {
    let advice = hint.map_or_else(|| remedy(fault.kind, service), Cow::Borrowed);
    let said = Said { what: what_happened(fault), whose: whose_fault(fault.kind.side()), advice: &advice, request_id };
    let reader = match fault.kind {
        // Whoever calls the API prints an envelope, wherever the call went; an upload prints text.
        FaultKind::CallMisplaced => Some(ServiceName::Api),
        FaultKind::UploadMisplaced => Some(ServiceName::Files),
        _ => service,
    };
    match reader {
        Some(ServiceName::Api) => FaultBody { content_type: "application/json", body: envelope(fault.kind, &said) },
        Some(ServiceName::App) => FaultBody { content_type: "text/html; charset=utf-8", body: page(fault.kind, &said) },
        Some(ServiceName::Files) | None => {
            FaultBody { content_type: "text/plain; charset=utf-8", body: text(fault.kind, &said) }
        }
    }
}

/// What every form says.
struct Said<'a> {
    what: String,
    whose: &'static str,
    advice: &'a str,
    request_id: &'a str,
}

fn what_happened(fault: &Fault) -> String {
    let public = fault.kind.public();
    // What an operator wrote for those who wait, and what the client caused; the rest is for the log.
    if (fault.kind.side() != Side::Client && fault.kind != FaultKind::Maintenance) || fault.detail.is_empty() {
        return public.to_owned();
    }
    let detail =
        fault.detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_MAX).collect::<String>();
    format!("{public} ({detail})")
}

const fn whose_fault(side: Side) -> &'static str {
    match side {
        Side::Client => "The request caused this (client).",
        Side::Proxy => "The proxy caused this (proxy).",
        Side::Target => "The ClearML service behind the proxy caused this (target).",
    }
}

/// What to do next.
fn remedy(kind: FaultKind, service: Option<ServiceName>) -> Cow<'static, str> {
    Cow::Borrowed(match kind {
        FaultKind::Unreachable => return missing(service).into(),
        FaultKind::Malformed
        | FaultKind::BadLength
        | FaultKind::BadTransferCoding
        | FaultKind::BadBody
        | FaultKind::BadVersion => {
            "Update the client, or look for another proxy between it and this one that rewrites requests."
        }
        FaultKind::BadHost | FaultKind::UnknownHost | FaultKind::Misdirected => {
            "Use a host name of this ClearML Server, and look at `domain`, `hosts` and `single_domain` in proxy.conf."
        }
        FaultKind::OtherConnection => {
            "Connect to the host by its own name (SNI), on a connection of its own; browsers do so by themselves."
        }
        FaultKind::ClientCertificateRequired => {
            "Give the client its certificate and key: curl --cert and --key, in Python `session.cert`; see \
             `tls.client_certificates` in proxy.conf."
        }
        FaultKind::ClientCertificateRefused => {
            "Issue a new certificate for this client, or look at `tls.client_certificates` in proxy.conf."
        }
        FaultKind::CallMisplaced | FaultKind::UploadMisplaced => {
            "Correct the client's clearml.conf or its variables; the settings for all three are printed by `clearway \
             client-config`."
        }
        FaultKind::PlainOnTls | FaultKind::HttpsRequired => "Write https:// instead of http:// in the URL.",
        FaultKind::MethodRefused => "Use another method; CONNECT and TRACE are never served.",
        FaultKind::CrossSite => {
            "Use the web UI itself, or list the page in `protection.cross_site.allowed_pages` in proxy.conf."
        }
        FaultKind::TokenRequired => {
            "Log in again: open the web UI, or check api.credentials and api.files_server in clearml.conf, because the SDK \
             sends its token only to that URL. Nothing was stored or removed."
        }
        FaultKind::TokenUnchecked => "It is safe to try again; if this stays, look at the API server's own log.",
        FaultKind::TooManyLogins => {
            "Check name and password, or api.credentials in clearml.conf; see `protection.logins` in proxy.conf."
        }
        FaultKind::RemovalRefused => {
            "Remove files from a network in `protection.files.removal_from`, or turn `protection.files.refuse_removal` \
             off in proxy.conf. Nothing was removed."
        }
        FaultKind::HeadTimeout | FaultKind::SlowBody => "Try again over a faster or more reliable network.",
        FaultKind::BodyTooLarge => "Send less, or raise `services.<name>.max_body` in proxy.conf.",
        FaultKind::TargetTooLong => "Shorten the URL, or raise `limits.target` in proxy.conf.",
        FaultKind::BadExpectation => "Send no Expect header, or only 100-continue.",
        FaultKind::HeadTooLarge => "Remove old cookies, or raise `limits.head` in proxy.conf.",
        FaultKind::TooManyHeaders => "Remove old cookies, or raise `limits.headers` in proxy.conf.",
        FaultKind::ClientGone | FaultKind::StalledClient => "Try again.",
        FaultKind::Overloaded => "It is safe to try again; if this stays, look at `limits` in proxy.conf.",
        FaultKind::QueueFull | FaultKind::QueueTimeout => {
            "It is safe to try again. If this stays, look at what keeps the service busy: the proxy's log names actions \
             and workers."
        }
        FaultKind::Maintenance => {
            "Nothing is lost by waiting: ClearML's clients try again by themselves until it is over."
        }
        FaultKind::Stopping => "It is safe to try again in a few seconds.",
        FaultKind::Internal => "Please report this with the proxy's log of this request.",
        FaultKind::Broken | FaultKind::Truncated => {
            "Look at the service's own log. It may have seen the request, so the proxy did not send it again."
        }
        FaultKind::BadAnswer => "Look at the service's own log, and at the proxy's for what was wrong with the answer.",
        FaultKind::NoAnswer => "Look at the service's own log, or raise `timeouts.first_byte` in proxy.conf.",
    })
}

/// Which service is missing, where it usually listens, and how to start it.
fn missing(service: Option<ServiceName>) -> String {
    let (name, port) = match service {
        Some(ServiceName::App) => ("web server (webserver)", "8080"),
        Some(ServiceName::Api) => ("API server (apiserver)", "8008"),
        Some(ServiceName::Files) => ("file server (fileserver)", "8081"),
        None => ("Server", "8080, 8008 and 8081"),
    };
    format!(
        "ClearML's {name}, usually on port {port}, is not running or still starting. Start a ClearML Server with \
         `docker compose up -d`, or try the proxy alone with `clearway run --demo`. Trying again is safe."
    )
}

/// ClearML's own form of an error, so that its clients show the message.
///
/// Source: clearml-server `apiserver/service_repo/apicall.py`, `APICall.get_response`.
fn envelope(kind: FaultKind, said: &Said<'_>) -> String {
    let message = format!("{} {} {} Request id: {}.", said.what, said.whose, said.advice, said.request_id);
    json!({
        "meta": {
            "id": said.request_id,
            "trx": said.request_id,
            "endpoint": { "name": "", "requested_version": 1.0, "actual_version": null },
            "result_code": kind.status().as_u16(),
            "result_subcode": 0,
            "result_msg": message,
            "error_stack": null,
            "error_data": { "fault_side": kind.side().as_str(), "fault": kind.code() },
        },
        "data": {},
    })
    .to_string()
}

fn text(kind: FaultKind, said: &Said<'_>) -> String {
    let Said { what, whose, advice, request_id } = said;
    format!("{}\n{what}\n{whose}\n{advice}\nFault: {}\nRequest id: {request_id}\n", title(kind), kind.code())
}

fn title(kind: FaultKind) -> String {
    let status = kind.status();
    // 499 is not registered; only a log ever shows it.
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or("Client Closed Request"))
}

/// Self-contained: no script, nothing fetched.
fn page(kind: FaultKind, said: &Said<'_>) -> String {
    let refresh = kind.retry_after().map_or_else(String::new, |wait| {
        format!("<meta http-equiv=\"refresh\" content=\"{}\">", wait.as_secs().max(1))
    });
    let again = if refresh.is_empty() { "" } else { "<p>This page tries again by itself.</p>" };
    let title = escape(&title(kind));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">{refresh}<title>{title}</title><style>{STYLE}</style></head>\n\
         <body><main><h1>{title}</h1>\n<p><strong>{}</strong></p>\n<p>{}</p>\n<p>{}</p>\n{again}\
         <dl><dt>Fault</dt><dd>{}; {}</dd><dt>Request id</dt><dd>{}</dd></dl></main></body></html>\n",
        escape(&said.what),
        escape(said.whose),
        escape(said.advice),
        kind.side().as_str(),
        kind.code(),
        escape(said.request_id),
    )
}

const STYLE: &str = ":root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#fff;color:#1a1e2c}\
main{max-width:40rem;margin:12vh auto;padding:0 1.5rem}\
h1{font-size:1.5rem;font-weight:600}\
dl{margin-top:2rem;display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;font-size:.875rem;opacity:.8}\
dd{margin:0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}\
@media(prefers-color-scheme:dark){body{background:#1a1e2c;color:#e8eaf2}}";

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: [Option<ServiceName>; 4] =
        [None, Some(ServiceName::App), Some(ServiceName::Api), Some(ServiceName::Files)];

    fn answer(service: Option<ServiceName>, kind: FaultKind, detail: &'static str, hint: Option<&str>) -> FaultBody {
        fault_answer(service, &Fault::new(kind, detail), "req-1", hint)
    }

    #[test]
    fn every_fault_says_what_whose_what_next_and_its_id_in_every_form() {
        for service in SERVICES {
            for kind in FaultKind::ALL {
                let FaultBody { body, .. } = answer(service, *kind, "", None);
                for part in [kind.public(), kind.side().as_str(), kind.code(), "req-1"] {
                    assert!(body.contains(part), "{service:?} {kind:?} lacks {part:?}: {body}");
                }
                assert!(!remedy(*kind, service).is_empty());
            }
        }
    }

    #[test]
    fn each_reader_gets_its_form() {
        for (service, content_type, start) in [
            (None, "text/plain; charset=utf-8", "404 Not Found\n"),
            (Some(ServiceName::Files), "text/plain; charset=utf-8", "404 Not Found\n"),
            (Some(ServiceName::Api), "application/json", "{"),
            (Some(ServiceName::App), "text/html; charset=utf-8", "<!doctype html>"),
        ] {
            let body = answer(service, FaultKind::UnknownHost, "", None);
            assert_eq!(body.content_type, content_type);
            assert!(body.body.starts_with(start), "{}", body.body);
        }
    }

    #[test]
    fn the_api_answer_is_an_envelope() {
        let body = answer(Some(ServiceName::Api), FaultKind::Unreachable, "127.0.0.1:8008 refused", None).body;
        let value = serde_json::from_str::<serde_json::Value>(&body).unwrap();
        assert_eq!(value["data"], json!({}));
        let meta = &value["meta"];
        assert_eq!(meta["id"], "req-1");
        assert_eq!(meta["trx"], "req-1");
        assert_eq!(meta["endpoint"], json!({ "name": "", "requested_version": 1.0, "actual_version": null }));
        assert_eq!(meta["result_code"], 503);
        assert_eq!(meta["result_subcode"], 0);
        assert_eq!(meta["error_stack"], json!(null));
        assert_eq!(meta["error_data"], json!({ "fault_side": "target", "fault": "target_unreachable" }));
        let message = meta["result_msg"].as_str().unwrap();
        assert!(message.contains("API server (apiserver), usually on port 8008"), "{message}");
        assert!(message.contains("`docker compose up -d`") && message.contains("`clearway run --demo`"), "{message}");
    }

    #[test]
    fn a_missing_service_is_named_with_its_port() {
        for (service, name, port) in [
            (ServiceName::App, "webserver", "8080"),
            (ServiceName::Api, "apiserver", "8008"),
            (ServiceName::Files, "fileserver", "8081"),
        ] {
            let body = answer(Some(service), FaultKind::Unreachable, "", None).body;
            assert!(body.contains(name) && body.contains(port), "{body}");
        }
    }

    #[test]
    fn details_are_shown_only_where_the_client_caused_them() {
        for service in SERVICES {
            for kind in FaultKind::ALL {
                let shown = answer(service, *kind, "10.0.0.7 said so", None).body.contains("10.0.0.7");
                let meant = kind.side() == Side::Client || *kind == FaultKind::Maintenance;
                assert_eq!(shown, meant, "{service:?} {kind:?}");
            }
        }
    }

    #[test]
    fn a_hint_takes_the_place_of_the_general_advice() {
        for service in SERVICES {
            let body = answer(service, FaultKind::PlainOnTls, "", Some("Use https://app.x:8443/.")).body;
            assert!(body.contains("Use https://app.x:8443/.") && !body.contains("Write https://"), "{body}");
        }
    }

    #[test]
    fn nothing_the_client_sent_becomes_markup_or_a_line_of_its_own() {
        let hostile = "<script>&\"'\r\nRequest id: forged";
        let page = answer(Some(ServiceName::App), FaultKind::UnknownHost, hostile, Some(hostile)).body;
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;&amp;&quot;&#39;"), "{page}");
        let text = answer(None, FaultKind::UnknownHost, hostile, None).body;
        assert!(!text.contains("\nRequest id: forged"), "{text}");
        let json = answer(Some(ServiceName::Api), FaultKind::UnknownHost, hostile, None).body;
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }

    #[test]
    fn long_details_are_cut() {
        let fault = Fault::new(FaultKind::UnknownHost, "é".repeat(10_000));
        assert!(fault_answer(None, &fault, "req-1", None).body.len() < 1_500);
    }

    #[test]
    fn only_a_page_that_may_be_repeated_repeats_itself() {
        for kind in FaultKind::ALL {
            let page = answer(Some(ServiceName::App), *kind, "", None).body;
            assert_eq!(page.contains("http-equiv=\"refresh\""), kind.retry_after().is_some(), "{kind:?}");
        }
    }
}
