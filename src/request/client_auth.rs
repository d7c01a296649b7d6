//! Clients' certificates: which requests need one, and whether this connection's is accepted now.
//!
//! A connection is made for one name and may carry requests for others, so each request is judged by its own host. What
//! the handshake said is not enough either: lists of revoked certificates change while connections stay, and a resumed
//! session shows a certificate that nobody has looked at since.
//!
//! Owns: that judgement. Leaves: the check of a chain to `tls`, what it said lately to `verdicts`, asking for a certificate
//! to the handshake.

use super::asked::Asked;
use super::guard::Checked;
use super::scope::Scope;
use super::site::Site;
use crate::domain::entrance::Entrance;
use crate::domain::facts::ClientCertificate;
use crate::domain::fault::{Fault, FaultKind};
use crate::telemetry::TlsFailure;
use crate::tls::ClientRule;
use std::sync::Arc;
use std::time::SystemTime;

/// The certificate by which the client of a request is known, where its host asks for one.
///
/// # Errors
/// `ClientCertificateRequired`, `ClientCertificateRefused` (403); `OtherConnection` (421) where another connection may
/// show what this one does not.
pub(super) fn check(
    scope: &Scope,
    site: &Site,
    asked: &Asked<'_>,
    checked: &Checked,
    wall: SystemTime,
) -> Result<Option<Arc<ClientCertificate>>, Fault> {
    if site.client_rules.is_empty() {
        return Ok(None);
    }
    if scope.facts.listener.is_legacy() {
        return strictest(site, asked).map_or(Ok(None), |rule| judge(scope, rule, wall));
    }
    let host = checked.host();
    let known = site.client_rules.of(host).map(|rule| judge(scope, rule, wall)).transpose()?.flatten();
    // The web UI's host leads to API and files too: such a request needs what the service's own host needs.
    let home = Entrance::of(&site.settings.layout, host).map(|(entrance, _)| entrance.host(asked.service));
    let home = home.filter(|home| !home.eq_ignore_ascii_case(host));
    if let Some(rule) = home.and_then(|home| site.client_rules.of(&home)) {
        let there = judge(scope, rule, wall)?;
        return Ok(known.or(there));
    }
    Ok(known)
}

/// The rule for a port that has no host of its own: of the service's hosts, one that needs a certificate, else any.
fn strictest<'a>(site: &'a Site, asked: &Asked<'_>) -> Option<&'a ClientRule> {
    let hosts = Entrance::all(&site.settings.layout).map(|entrance| entrance.host(asked.service));
    let mut rules = hosts.filter_map(|host| site.client_rules.of(&host)).collect::<Vec<_>>();
    if Entrance::all(&site.settings.layout).next().is_none() {
        rules = site.client_rules.iter().collect();
    }
    rules.iter().find(|rule| rule.is_required()).or(rules.first()).copied()
}

fn judge(scope: &Scope, rule: &ClientRule, wall: SystemTime) -> Result<Option<Arc<ClientCertificate>>, Fault> {
    let required = || Fault::new(FaultKind::ClientCertificateRequired, TlsFailure::ClientCertificateMissing.hint());
    let Some(tls) = &scope.facts.tls else {
        return if rule.is_required() { Err(required()) } else { Ok(None) };
    };
    let asked = tls.asked == Some(rule.id());
    let verdict = tls.client.as_ref().map(|client| (client, scope.verdicts.of(rule, client, wall)));
    match verdict {
        Some((client, Ok(()))) => return Ok(Some(Arc::clone(client))),
        // Of an authority that this host does not know: there may be another certificate for it.
        Some((_, Err(TlsFailure::ClientCertificateRefused))) if !asked => {}
        Some((_, Err(reason))) => return Err(Fault::new(FaultKind::ClientCertificateRefused, reason.hint())),
        None if asked && rule.is_required() => return Err(required()),
        None if asked => return Ok(None),
        None => {}
    }
    // Browsers put requests for several hosts on one HTTP/2 connection, and make another when told so. Whoever does
    // so elsewhere is served where nothing is needed.
    if rule.is_required() || tls.http2 {
        let name = tls.server_name.as_deref().unwrap_or("no name");
        let detail = format!("the connection was made for {}", name.escape_debug());
        return Err(Fault::new(FaultKind::OtherConnection, detail));
    }
    Ok(None)
}
