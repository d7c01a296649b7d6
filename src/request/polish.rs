//! Polish: what is changed in the head of a target's answer before it goes out, one function for each service.
//!
//! Owns: fields that keep browsers safe and logins whole; everything else goes on as it came. Leaves: which answers need
//! them to `clearml`.

use super::guard::Checked;
use super::respond::{Answer, host_of};
use super::scope::Scope;
use super::site::Site;
use crate::clearml::{Repaired, SANDBOX, cookie_domain, doubled_cookie, expired_cookie, needs_sandbox, repair_cookie};
use crate::domain::entrance::Entrance;
use crate::domain::names::{Authority, ServiceName};
use crate::telemetry::AccessRecord;
use http::StatusCode;
use http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, COOKIE, HeaderMap, HeaderValue, SERVER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};

/// What of a request its answer's head depends on; the request is gone by then.
#[derive(Debug)]
pub(super) struct Remembered {
    service: ServiceName,
    /// The name of a cookie that came twice, from a browser.
    doubled: Option<Box<[u8]>>,
}

/// Notes what will be needed of a request for `service`.
pub(super) fn remember(site: &Site, service: ServiceName, checked: &Checked) -> Remembered {
    let headers = checked.headers();
    // The SDK's token beats its cookie, so only browsers suffer from two cookies.
    let may_suffer = site.settings.answers.cookies
        && service != ServiceName::App
        && headers.contains_key(COOKIE)
        && !headers.contains_key(AUTHORIZATION);
    let doubled = if may_suffer {
        doubled_cookie(headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes)).map(Box::from)
    } else {
        None
    };
    Remembered { service, doubled }
}

/// Polishes the head of a service's answer.
pub(super) fn polish(answer: &mut Answer, remembered: &Remembered, scope: &Scope, site: &Site, record: &AccessRecord) {
    let status = answer.0.status();
    let headers = answer.0.headers_mut();
    if !site.settings.answers.server {
        headers.remove(SERVER);
    }
    https_only(headers, scope, site);
    match remembered.service {
        ServiceName::App => {}
        ServiceName::Api => api(headers, scope, site, record),
        ServiceName::Files => files(headers, site),
    }
    if let (StatusCode::UNAUTHORIZED, Some(name)) = (status, &remembered.doubled) {
        expire_twin(headers, name, site, record);
    }
}

/// Ours or none: the web server's own says `includeSubDomains`, and so closes every plain port of every name below.
///
/// Source: RFC 6797 section 7.2 (never over plain HTTP).
fn https_only(headers: &mut HeaderMap, scope: &Scope, site: &Site) {
    match &site.https_only {
        Some(value) if scope.facts.tls.is_some() => drop(headers.insert(STRICT_TRANSPORT_SECURITY, value.clone())),
        _ => drop(headers.remove(STRICT_TRANSPORT_SECURITY)),
    }
}

fn api(headers: &mut HeaderMap, scope: &Scope, site: &Site, record: &AccessRecord) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if site.settings.answers.cookies && headers.contains_key(SET_COOKIE) {
        repair_cookies(headers, scope.facts.tls.is_some(), site, record);
    }
}

/// Stored files are shown as what they are said to be, and pages among them without rights.
fn files(headers: &mut HeaderMap, site: &Site) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if site.settings.protection.files.sandbox && needs_sandbox(headers) {
        // Beside a policy of the server's own: browsers hold to all of them.
        headers.append(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    }
}

/// Makes login cookies good for all hosts of the entrance.
fn repair_cookies(headers: &mut HeaderMap, secure: bool, site: &Site, record: &AccessRecord) {
    let Some(domain) = shared_domain(site, record) else { return };
    let lines = headers.get_all(SET_COOKIE).iter().cloned().collect::<Vec<_>>();
    headers.remove(SET_COOKIE);
    for line in lines {
        let repaired = repair_cookie(line.as_bytes(), &domain, secure);
        let values = repaired
            .map(|Repaired { twin, cookie }| (HeaderValue::from_bytes(&twin), HeaderValue::from_bytes(&cookie)));
        if let Some((Ok(twin), Ok(cookie))) = values {
            headers.append(SET_COOKIE, twin);
            headers.append(SET_COOKIE, cookie);
        } else {
            headers.append(SET_COOKIE, line);
        }
    }
}

/// Ends the state in which a browser sends an old cookie of this host before the good one of its domain.
fn expire_twin(headers: &mut HeaderMap, name: &[u8], site: &Site, record: &AccessRecord) {
    if shared_domain(site, record).is_none() {
        return;
    }
    if let Ok(line) = HeaderValue::from_bytes(&expired_cookie(name, Some(b"/"))) {
        headers.append(SET_COOKIE, line);
    }
}

fn shared_domain(site: &Site, record: &AccessRecord) -> Option<String> {
    let authority = Authority::parse(host_of(record)?).ok()?;
    let (entrance, _) = Entrance::of(&site.settings.layout, authority.host)?;
    cookie_domain(&entrance)
}
