//! Polish: what is added to a target's answer before it goes out.
//!
//! Owns: header fields that keep browsers safe. Leaves: which answers need them to `clearml`.

use super::respond::Answer;
use super::site::Site;
use crate::clearml::{SANDBOX, needs_sandbox};
use crate::domain::names::ServiceName;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};

/// Completes the head of an answer of `service`.
pub(super) fn polish(site: &Site, service: ServiceName, answer: &mut Answer) {
    if service == ServiceName::Files {
        harden(site, answer);
    }
}

/// Stored files are shown as what they are said to be, and pages among them without rights.
fn harden(site: &Site, answer: &mut Answer) {
    let headers = answer.0.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if site.settings.protection.files.sandbox && needs_sandbox(headers) {
        // Beside a policy of the server's own: browsers hold to all of them.
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
}
