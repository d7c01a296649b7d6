//! Rules for certificates from an authority: names to ask for, and a way to show that they are ours.

use super::super::problem::Problem;
use super::Checker;
use crate::domain::settings::{ChallengeChoice, Domains};

impl Checker<'_> {
    pub(super) fn acme(&self) -> Vec<Problem> {
        let (acme, layout) = (&self.settings.acme, &self.settings.layout);
        if !acme.enabled {
            return Vec::new();
        }
        let mut problems = Vec::new();
        let mut error = |path: &str, message: &str, hint: &str| {
            problems.push(self.error(path, message.to_owned()).hint(hint));
        };
        if !self.settings.certificates.is_empty() {
            error("acme.enabled", "certificates come from files already", "remove certificates, or disable acme");
        }
        let listed = matches!(&layout.domains, Domains::Listed(domains) if !domains.is_empty());
        if !listed && layout.hosts.app.is_empty() && layout.single.is_empty() {
            error("acme.enabled", "there is no name to ask for", "set domain, hosts or single_domain to names");
        }
        let (http, https) = (self.settings.http.enabled, self.settings.https.enabled);
        match acme.challenge {
            ChallengeChoice::Http if !http => {
                error("acme.challenge", "the http listener is disabled", "enable listeners.http, or use tls_alpn");
            }
            ChallengeChoice::TlsAlpn if !https => {
                error("acme.challenge", "the https listener is disabled", "enable listeners.https, or use http");
            }
            _ => {}
        }
        if acme.external_account.id.is_some() != acme.external_account.key_file.is_some() {
            let hint = "the authority gives both: a name and a key";
            error("acme.external_account.id", "name and key of the account belong together", hint);
        }
        problems
    }
}
