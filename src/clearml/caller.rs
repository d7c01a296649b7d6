//! Caller: which program and which ClearML worker a request comes from, by its own word.
//!
//! Nothing of this is proven: it orders a queue and fills counters, and never decides whether a request is served.

use crate::domain::names::ServiceName;
use http::HeaderValue;
use http::header::{HeaderMap, HeaderName, USER_AGENT};

const X_CLEARML_WORKER: HeaderName = HeaderName::from_static("x-clearml-worker");
const X_TRAINS_WORKER: HeaderName = HeaderName::from_static("x-trains-worker");
const X_CLEARML_CLIENT: HeaderName = HeaderName::from_static("x-clearml-client");
const X_TRAINS_CLIENT: HeaderName = HeaderName::from_static("x-trains-client");
/// The web UI up to server 2.3.
const X_ALLEGRO_CLIENT: HeaderName = HeaderName::from_static("x-allegro-client");
const X_CLEARML_AGENT: HeaderName = HeaderName::from_static("x-clearml-agent");
const X_TRAINS_AGENT: HeaderName = HeaderName::from_static("x-trains-agent");

/// The kind of program that sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// The web UI, or another page in a browser.
    Browser,
    /// The `clearml` package in somebody's code.
    Sdk,
    /// `clearml-agent`.
    Agent,
    /// Anything else.
    Other,
}

impl Program {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Browser, Self::Sdk, Self::Agent, Self::Other];

    /// The kind as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Sdk => "sdk",
            Self::Agent => "agent",
            Self::Other => "other",
        }
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The kind of program.
    pub program: Program,
    /// The field in which it names itself and its version, where it is one of ClearML's.
    pub client: Option<&'a HeaderValue>,
    /// The ClearML worker or host it runs on.
    pub worker: Option<&'a HeaderValue>,
}

impl<'a> Caller<'a> {
    /// Reads what the fields of a request say.
    ///
    /// Source: clearml `backend_api/session/session.py`, clearml-agent `backend_api/session/session.py`, clearml-web
    /// `webapp-interceptor.ts`; each sends its fields twice, under both names.
    #[must_use]
    pub fn of(service: ServiceName, headers: &'a HeaderMap) -> Self {
        let get = |name: &HeaderName| headers.get(name);
        let browser = || get(&USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
        let unnamed = || if browser() { Program::Browser } else { Program::Other };
        // Nobody introduces itself to the web server and the file server.
        if service != ServiceName::Api {
            return Self { program: unnamed(), client: None, worker: None };
        }
        let client = get(&X_CLEARML_CLIENT).or_else(|| get(&X_ALLEGRO_CLIENT)).or_else(|| get(&X_TRAINS_CLIENT));
        if let Some(client) = client {
            if client.as_bytes().starts_with(b"Webapp") {
                return Self { program: Program::Browser, client: Some(client), worker: None };
            }
            return Self { program: Program::Sdk, client: Some(client), worker: worker(headers) };
        }
        if let Some(agent) = get(&X_CLEARML_AGENT).or_else(|| get(&X_TRAINS_AGENT)) {
            return Self { program: Program::Agent, client: Some(agent), worker: worker(headers) };
        }
        Self { program: unnamed(), client: None, worker: worker(headers) }
    }
}

fn worker(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(X_CLEARML_WORKER).or_else(|| headers.get(X_TRAINS_WORKER))
}

/// The program and version out of a client field: `clearml-2.1.12` of `clearml-server-2.3.0, clearml-2.1.12`. The SDK
/// puts the server it talks to in front of itself.
#[must_use]
pub fn client_version(field: &[u8]) -> &[u8] {
    field.rsplit(|byte| *byte == b',').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn callers_are_known_by_their_own_fields() {
        for (fields, program, client, host) in [
            (
                &[
                    ("x-clearml-client", "clearml-2.1.12"),
                    ("x-trains-client", "clearml-2.1.12"),
                    ("x-clearml-worker", "gpu-1"),
                    ("user-agent", "python-requests/2.34.2"),
                ][..],
                Program::Sdk,
                "clearml-2.1.12",
                "gpu-1",
            ),
            (
                &[("x-clearml-client", "clearml-server-2.3.0, clearml-2.1.12"), ("x-trains-worker", "gpu-2")],
                Program::Sdk,
                "clearml-2.1.12",
                "gpu-2",
            ),
            (&[("x-trains-client", "trains-0.16.4")], Program::Sdk, "trains-0.16.4", ""),
            (
                &[("x-clearml-agent", "api-3.0.3"), ("x-clearml-worker", "gpu-3:0")],
                Program::Agent,
                "api-3.0.3",
                "gpu-3:0",
            ),
            (&[("x-trains-agent", "api-0.17.2")], Program::Agent, "api-0.17.2", ""),
            (
                &[("x-allegro-client", "Webapp-2.3.0-000"), ("user-agent", "Mozilla/5.0 (X11)")],
                Program::Browser,
                "Webapp-2.3.0-000",
                "",
            ),
            (&[("x-clearml-client", "Webapp-2.5.0")], Program::Browser, "Webapp-2.5.0", ""),
            (&[("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")], Program::Browser, "", ""),
            (&[("user-agent", "curl/8"), ("x-clearml-worker", "w")], Program::Other, "", "w"),
            (&[], Program::Other, "", ""),
        ] {
            let headers = headers(fields);
            let caller = Caller::of(ServiceName::Api, &headers);
            let version = caller.client.map(|client| client_version(client.as_bytes())).unwrap_or_default();
            let worker = caller.worker.map(HeaderValue::as_bytes).unwrap_or_default();
            assert_eq!((caller.program, version, worker), (program, client.as_bytes(), host.as_bytes()), "{fields:?}");
        }
    }

    #[test]
    fn only_the_api_is_told_who_calls() {
        let headers =
            headers(&[("x-clearml-client", "clearml-2.1.12"), ("x-clearml-worker", "w"), ("user-agent", "Mozilla/5")]);
        for service in [ServiceName::App, ServiceName::Files] {
            let nobody = Caller { program: Program::Browser, client: None, worker: None };
            assert_eq!(Caller::of(service, &headers), nobody);
        }
    }

    #[test]
    fn versions_stand_behind_the_last_comma() {
        for (field, version) in [("", ""), ("a", "a"), ("a, b ", "b"), ("a,", ""), (",", "")] {
            assert_eq!(client_version(field.as_bytes()), version.as_bytes(), "{field:?}");
        }
    }
}
