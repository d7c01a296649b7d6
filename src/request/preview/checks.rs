//! What the rules of `protection` say of a request that nobody has sent, in the order in which `protect` asks them.

use super::super::asked::Asked;
use super::Imagined;
use crate::clearml::{PageVerdict, TOKEN_QUESTION, tokens_of};
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use crate::domain::settings::{Settings, TokenGate};

/// One rule that looks at the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The section of its keys.
    pub rule: &'static str,
    /// What it says.
    pub said: Said,
    /// Why.
    pub why: String,
}

/// What a rule says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing: it is turned off.
    Off,
    /// The request may go on.
    Passes,
    /// The request may go on or is refused, by what is known only then.
    Depends(FaultKind),
    /// The request is refused.
    Refuses(FaultKind),
}

/// All that look at it, up to the first that refuses it.
pub(super) fn checks(settings: &Settings, imagined: &Imagined<'_>, asked: &Asked<'_>) -> Vec<Check> {
    let all = [
        page(settings, imagined, asked),
        removal(settings, imagined, asked),
        token(settings, imagined, asked),
        login(settings, imagined, asked),
    ];
    let mut refused = false;
    all.into_iter()
        .flatten()
        .take_while(|check| !std::mem::replace(&mut refused, matches!(check.said, Said::Refuses(_))))
        .collect()
}

fn page(settings: &Settings, imagined: &Imagined<'_>, asked: &Asked<'_>) -> Option<Check> {
    let check = |said, why: &str| Some(Check { rule: "protection.cross_site", said, why: why.to_owned() });
    match asked.page(settings, imagined.host, imagined.method, imagined.headers) {
        Some(PageVerdict::Passes(why)) => check(Said::Passes, why),
        Some(PageVerdict::Foreign(why)) => check(Said::Refuses(FaultKind::CrossSite), why),
        None if asked.service == ServiceName::App => None,
        None => check(Said::Off, "any page may use the login of whoever opens it"),
    }
}

fn removal(settings: &Settings, imagined: &Imagined<'_>, asked: &Asked<'_>) -> Option<Check> {
    let rules = &settings.protection;
    if !asked.removes(rules, imagined.method) {
        return None;
    }
    let may = &rules.files.removal_from;
    let (said, why) = match imagined.client {
        Some(client) if may.contains(client) => (Said::Passes, format!("{client} is in removal_from")),
        Some(client) => (Said::Refuses(FaultKind::RemovalRefused), format!("{client} is not in removal_from")),
        None if may.is_empty() => {
            (Said::Refuses(FaultKind::RemovalRefused), String::from("it removes files, and removal_from is empty"))
        }
        None => {
            let named = may.networks().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            (Said::Depends(FaultKind::RemovalRefused), format!("it removes files, which only {named} may"))
        }
    };
    Some(Check { rule: "protection.files.refuse_removal", said, why })
}

fn token(settings: &Settings, imagined: &Imagined<'_>, asked: &Asked<'_>) -> Option<Check> {
    if asked.service != ServiceName::Files {
        return None;
    }
    let rules = &settings.protection.token_gate;
    let (said, why) = if !rules.enabled {
        (Said::Off, String::from("the file server alone decides who needs a login"))
    } else if !asked.needs_token(&settings.protection, imagined.method, imagined.headers) {
        (Said::Passes, String::from("preflights and health checks need no token"))
    } else if tokens_of(imagined.headers, &rules.cookies).is_empty() {
        (Said::Refuses(FaultKind::TokenRequired), format!("no token is in the request; {}", places(rules)))
    } else {
        let why = format!(
            "a token is in the request; whether it is good is what the API server answers to {TOKEN_QUESTION}, within \
             {:?} (else {}), and remembered for {:?}; {}",
            rules.timeout,
            FaultKind::TokenUnchecked.status().as_u16(),
            rules.keep_accepted,
            places(rules)
        );
        (Said::Depends(FaultKind::TokenRequired), why)
    };
    Some(Check { rule: "protection.token_gate", said, why })
}

/// Where tokens are looked for.
fn places(rules: &TokenGate) -> String {
    format!("looked for in Authorization: Bearer, and without that field in the cookie {}", rules.cookies.join(" or "))
}

fn login(settings: &Settings, imagined: &Imagined<'_>, asked: &Asked<'_>) -> Option<Check> {
    let tried = asked.login(&settings.protection, imagined.method, imagined.headers)?;
    let rules = &settings.protection.logins;
    let (user, address) = (rules.user, rules.address);
    let mut why = match &tried.user {
        Some(name) => format!(
            "it counts as a login of {name:?}: {} failures are borne for one user, then one in {:?}, and {} for one \
             address, then one in {:?}",
            user.burst, user.pause, address.burst, address.pause
        ),
        None => format!(
            "it counts as a login of nobody: {} failures are borne for one address, then one in {:?}",
            address.burst, address.pause
        ),
    };
    if tried.has_access_key() {
        why.push_str("; with an access key it is not refused for its address");
    }
    why.push_str(&format!(
        "; from half of that on each waits, up to {:?}; credentials that logged in lately pass at once",
        rules.delay
    ));
    Some(Check { rule: "protection.logins", said: Said::Depends(FaultKind::TooManyLogins), why })
}
