//! In which ways challenges can be answered.

use crate::domain::settings::{ChallengeChoice, Settings};
use instant_acme::ChallengeType;

/// The ways that the settings allow, the preferred one first.
pub(super) fn ways(settings: &Settings) -> Vec<ChallengeType> {
    let acme = &settings.acme;
    let dns = acme.dns.is_set().then_some(ChallengeType::Dns01);
    let http = settings.http.enabled.then_some(ChallengeType::Http01);
    let tls = settings.https.enabled.then_some(ChallengeType::TlsAlpn01);
    match acme.challenge {
        // Authorities give wildcards in no other way. Source: RFC 8555 section 7.4.1.
        _ if acme.wildcard => dns.into_iter().collect(),
        ChallengeChoice::Auto => [dns, http, tls].into_iter().flatten().collect(),
        ChallengeChoice::Dns => dns.into_iter().collect(),
        ChallengeChoice::Http => http.into_iter().collect(),
        ChallengeChoice::TlsAlpn => tls.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::{AcmeSettings, Domains};
    use std::num::NonZeroUsize;

    #[test]
    fn ways_follow_what_is_set_up() {
        use ChallengeType::{Dns01, Http01, TlsAlpn01};
        let all = || vec![Dns01, Http01, TlsAlpn01];
        for (choice, wildcard, hook, http, expected) in [
            (ChallengeChoice::Auto, false, false, true, vec![Http01, TlsAlpn01]),
            (ChallengeChoice::Auto, false, false, false, vec![TlsAlpn01]),
            (ChallengeChoice::Auto, false, true, true, all()),
            (ChallengeChoice::Auto, true, true, true, vec![Dns01]),
            (ChallengeChoice::Http, false, true, true, vec![Http01]),
            (ChallengeChoice::TlsAlpn, false, true, true, vec![TlsAlpn01]),
            (ChallengeChoice::Dns, false, true, true, vec![Dns01]),
            (ChallengeChoice::Dns, false, false, true, vec![]),
        ] {
            let mut settings = Settings::public(Domains::Any, NonZeroUsize::MIN);
            settings.acme = AcmeSettings { challenge: choice, wildcard, ..AcmeSettings::default() };
            settings.acme.dns.hook = if hook { vec!["x".into()] } else { Vec::new() };
            settings.http.enabled = http;
            assert_eq!(ways(&settings), expected, "{choice:?} {wildcard} {hook}");
        }
    }
}
