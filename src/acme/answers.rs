//! Answers to an order's challenges, in one of the three ways.

use super::dns::{DnsAnswers, DnsRecord};
use super::folder::Folder;
use super::order_error::OrderError;
use crate::domain::settings::DnsSettings;
use crate::tls::{Challenges, PendingChallenge};
use instant_acme::{AuthorizationStatus, ChallengeType, Order};

/// Where answers are put up.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) way: &'a ChallengeType,
    /// What the listeners answer.
    pub(super) challenges: &'a Challenges,
    pub(super) dns: &'a DnsSettings,
    /// Where records are noted.
    pub(super) folder: &'a Folder,
}

/// Answers that are up. To be taken back.
#[must_use = "the answers stay until they are taken back"]
pub(super) enum Answers<'a> {
    Listeners(Vec<PendingChallenge>),
    Dns(DnsAnswers<'a>),
}

impl Answers<'_> {
    pub(super) async fn take_back(self) {
        match self {
            Self::Listeners(pending) => drop(pending),
            Self::Dns(records) => records.take_back().await,
        }
    }
}

impl<'a> Ground<'a> {
    /// Puts up an answer for each name of `order` that needs one; they can be seen then.
    pub(super) async fn answer(&self, order: &mut Order) -> Result<Answers<'a>, OrderError> {
        let (mut pending, mut records) = (Vec::new(), Vec::new());
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Some(challenge) = authorization.challenge(self.way.clone()) else {
                return Err(OrderError::NoChallenge(name));
            };
            let answer = challenge.key_authorization();
            match self.way {
                ChallengeType::Dns01 => records.push(DnsRecord::of(&name, answer.dns_value())),
                ChallengeType::TlsAlpn01 => {
                    let up = self.challenges.answer_tls(&name, answer.digest().as_ref());
                    pending.push(up.map_err(|error| OrderError::Generation(error.to_string()))?);
                }
                _ => {
                    let up = self.challenges.answer_http(&challenge.token, answer.as_str());
                    pending.push(up.map_err(OrderError::Folder)?);
                }
            }
        }
        match self.way {
            ChallengeType::Dns01 => Ok(Answers::Dns(DnsAnswers::put(self.dns, self.folder, records).await?)),
            _ => Ok(Answers::Listeners(pending)),
        }
    }

    /// Tells the authority to look.
    pub(super) async fn ready(&self, order: &mut Order) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            if let Some(mut challenge) = authorization.challenge(self.way.clone()) {
                challenge.set_ready().await?;
            }
        }
        Ok(())
    }
}

/// What the authority says of the names that it refused.
pub(super) async fn refused(order: &mut Order) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let problems = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        let name = authorization.identifier().to_string();
        reasons.extend(problems.map(|problem| format!("{name}: {}", problem.detail.as_deref().unwrap_or("no reason"))));
    }
    reasons
}
