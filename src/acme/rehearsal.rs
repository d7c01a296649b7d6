//! A rehearsal: a whole order at a staging authority, with an account and a folder that are thrown away.

use super::account::Access;
use super::answers::Ground;
use super::asides::Asides;
use super::folder::Folder;
use super::order::Plan;
use super::order_error::OrderError;
use super::ways::ways as allowed;
use crate::domain::names::NamePattern;
use crate::domain::settings::Settings;
use crate::tls::Challenges;
use instant_acme::ChallengeType;
use std::path::Path;

/// How a rehearsal went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// Where: the URL of the directory.
    pub authority: String,
    /// What was asked for.
    pub names: Vec<String>,
    /// One for each way to show that the names are ours, until one succeeded.
    pub ways: Vec<RehearsedWay>,
}

/// One order of a rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsedWay {
    /// As `acme.challenge` names it.
    pub way: &'static str,
    /// What went wrong, and what to do about it.
    pub failure: Option<(String, &'static str)>,
}

/// Rehearses an order for `names` as `settings` describe it. `folder` is empty, and of no use afterwards.
///
/// # Cancel safety
/// Answers of the listeners are taken back; a record in the DNS may stay.
pub async fn rehearse(settings: &Settings, names: &[NamePattern], challenges: &Challenges, folder: &Path) -> Rehearsal {
    let authority = settings.acme.staging();
    let (folder, asides) = (Folder::at(folder.to_owned()), Asides::default());
    let access = Access {
        authority: &authority,
        email: settings.acme.email.as_deref(),
        folder: &folder,
        timeout: settings.acme.timeout,
        asides: &asides,
    };
    let mut tried = Vec::new();
    for way in allowed(settings) {
        let ground = Ground { way: &way, challenges, dns: &settings.acme.dns, folder: &folder };
        let plan = Plan { access, names, ground, replaces: None };
        let outcome = match folder.make() {
            Ok(()) => plan.run().await,
            Err(error) => Err(OrderError::Folder(error)),
        };
        let failure = outcome.err().map(|error| (error.to_string(), error.hint()));
        tried.push(RehearsedWay { way: word(&way), failure });
        if tried.last().is_some_and(|last| last.failure.is_none()) {
            break;
        }
    }
    if let Ok(Some(account)) = access.kept().await {
        // The authority forgets it by itself some day.
        drop(account.deactivate().await);
    }
    let names = names.iter().map(ToString::to_string).collect();
    Rehearsal { authority: authority.directory.to_string(), names, ways: tried }
}

fn word(way: &ChallengeType) -> &'static str {
    match way {
        ChallengeType::Dns01 => "dns",
        ChallengeType::TlsAlpn01 => "tls_alpn",
        _ => "http",
    }
}
