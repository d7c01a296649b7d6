//! How plain HTTP is led to HTTPS without losing a body.
//!
//! Owns: which requests a redirect brings over whole, and what the others are told. Leaves: checking the host before it
//! is echoed, and writing the answer. Status 301, 302 and 303 are never right here: Python's `requests` turns an
//! SDK upload into `GET /`, the file server answers that with 200, and the upload is reported as done but is lost. A
//! 308 keeps the API's JSON bodies; an upload's stream is used up by then, and fails only after a long wait.

use crate::domain::names::ServiceName;
use http::Method;

/// What a request on the plain listener is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    /// 308 with the https URL: method and body come along.
    Permanent308,
    /// `FaultKind::HttpsRequired`, at once and before the body is read; `text` says which URL to use instead, and where
    /// to put it. It is the hint of `fault_answer`.
    Refuse {
        /// What to do next.
        text: String,
    },
}

/// How to answer a request of `service` that came over plain HTTP. `base` is where the service is reached over https as
/// the request names it: scheme, host, port if not 443, and the path prefix if there is one.
///
/// Source: clearml `storage/helper.py` (uploads POST to exactly `files_server`), `backend_api/session/session.py`.
#[must_use]
pub fn lead(service: ServiceName, method: &Method, has_body: bool, base: impl FnOnce() -> String) -> Lead {
    let page_load = !has_body && (method == Method::GET || method == Method::HEAD);
    if page_load || service == ServiceName::Api {
        return Lead::Permanent308;
    }
    let base = base();
    let text = if service == ServiceName::App {
        format!("Open {base} instead; in clearml.conf, set api.web_server: \"{base}\". Nothing was stored.")
    } else {
        format!(
            "In clearml.conf, set api.files_server: \"{base}\" (or CLEARML_FILES_HOST={base}). Nothing was stored or \
             deleted."
        )
    };
    Lead::Refuse { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_BODY: bool = false;
    const BODY: bool = true;

    #[test]
    fn what_a_redirect_brings_over_whole_is_redirected() {
        for (service, method, has_body) in [
            (ServiceName::App, Method::GET, NO_BODY),
            (ServiceName::App, Method::HEAD, NO_BODY),
            (ServiceName::Api, Method::GET, BODY),
            (ServiceName::Api, Method::GET, NO_BODY),
            (ServiceName::Api, Method::POST, BODY),
            (ServiceName::Api, Method::POST, NO_BODY),
            (ServiceName::Api, Method::OPTIONS, NO_BODY),
            (ServiceName::Files, Method::GET, NO_BODY),
            (ServiceName::Files, Method::HEAD, NO_BODY),
        ] {
            assert_eq!(
                lead(service, &method, has_body, || String::from("https://x")),
                Lead::Permanent308,
                "{service} {method}"
            );
        }
    }

    #[test]
    fn what_would_be_lost_is_refused_with_the_url_to_use() {
        for (service, method, has_body, base, named) in [
            (
                ServiceName::Files,
                Method::POST,
                BODY,
                "https://files.x:8443",
                "api.files_server: \"https://files.x:8443\"",
            ),
            (ServiceName::Files, Method::POST, BODY, "https://x/files", "api.files_server: \"https://x/files\""),
            (ServiceName::Files, Method::POST, NO_BODY, "https://files.x", "\"https://files.x\""),
            (ServiceName::Files, Method::PUT, BODY, "https://files.x", "\"https://files.x\""),
            (ServiceName::Files, Method::DELETE, NO_BODY, "https://files.x", "\"https://files.x\""),
            (ServiceName::Files, Method::GET, BODY, "https://files.x", "\"https://files.x\""),
            (ServiceName::Files, Method::OPTIONS, NO_BODY, "https://files.x", "\"https://files.x\""),
            (ServiceName::App, Method::POST, BODY, "https://app.x:8443", "Open https://app.x:8443 "),
            (ServiceName::App, Method::GET, BODY, "https://app.x", "\"https://app.x\""),
            (ServiceName::App, Method::DELETE, NO_BODY, "https://app.x", "\"https://app.x\""),
        ] {
            let Lead::Refuse { text } = lead(service, &method, has_body, || base.to_owned()) else {
                panic!("{service} {method} {has_body} was redirected")
            };
            assert!(text.contains(named), "{text}");
        }
    }
}
