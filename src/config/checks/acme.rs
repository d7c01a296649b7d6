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
            ChallengeChoice::Dns if !acme.dns.is_set() => {
                error("acme.challenge", "nobody writes records", "set acme.dns.hook or acme.dns.servers");
            }
            ChallengeChoice::Http | ChallengeChoice::TlsAlpn if acme.wildcard => {
                error("acme.wildcard", "authorities give wildcards by dns only", "set acme.challenge to dns");
            }
            _ => {}
        }
        self.dns_records(&mut problems);
        for (path, external) in [
            ("acme.external_account.id", &acme.external_account),
            ("acme.fallback.external_account.id", &acme.fallback.external_account),
        ] {
            if external.id.is_some() != external.key_file.is_some() {
                let hint = "the authority gives both: a name and a key";
                problems.push(self.error(path, "name and key of the account belong together".to_owned()).hint(hint));
            }
        }
        if acme.fallback.directory.as_ref() == Some(&acme.directory) {
            let message = "the second authority is the first one".to_owned();
            problems.push(self.error("acme.fallback.directory", message).hint("name another one, or none"));
        }
        problems
    }

    fn dns_records(&self, problems: &mut Vec<Problem>) {
        let (acme, mut error) = (&self.settings.acme, |path: &str, message: &str, hint: &str| {
            problems.push(self.error(path, message.to_owned()).hint(hint));
        });
        if acme.wildcard && !acme.dns.is_set() {
            error("acme.wildcard", "nobody writes the records it needs", "set acme.dns.hook or acme.dns.servers");
        }
        if !acme.dns.hook.is_empty() && !acme.dns.servers.is_empty() {
            error("acme.dns.hook", "records are written by acme.dns.servers already", "keep one of the two");
        }
        if !acme.dns.servers.is_empty() && acme.dns.key_file.is_none() {
            let hint = "set acme.dns.key_file; tsig-keygen makes one";
            error("acme.dns.servers", "updates have to be signed", hint);
        }
    }
}
