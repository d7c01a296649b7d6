//! One order: account, challenges, certificate.

use super::account::{Access, is_gone};
use super::answers::{Ground, refused};
use super::dns;
use super::folder::InstallError;
use super::order_error::{OrderError, kind};
use crate::domain::names::NamePattern;
use crate::runtime::{Deadline, wall};
use crate::tls::{LoadedCertificate, certificate_request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{
    Account, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the authority may take to look at the challenges, and to issue.
const VALIDATION_WAIT: Duration = Duration::from_secs(180);

/// For one whole order, without the time that the DNS is given.
const ORDER_WAIT: Duration = Duration::from_secs(600);

/// What one order needs to know.
pub(super) struct Plan<'a> {
    pub(super) access: Access<'a>,
    pub(super) names: &'a [NamePattern],
    pub(super) ground: Ground<'a>,
    /// The certificate that is replaced, where the authority wants to know.
    pub(super) replaces: Option<&'a LoadedCertificate>,
}

impl Plan<'_> {
    /// Obtains a certificate and takes it in. Where that fails and the clocks are apart, the error says that too.
    ///
    /// # Cancel safety
    /// Answers to challenges are taken back, records in the DNS by the next order; this one lapses at the authority.
    pub(super) async fn run(&self) -> Result<(), OrderError> {
        let wait = ORDER_WAIT + self.ground.dns.propagation_timeout + self.ground.dns.propagation_delay;
        // That of an order before says nothing of this one.
        self.access.asides.take_gap();
        let outcome = Deadline::after(wait).bound(self.obtain()).await.unwrap_or(Err(OrderError::Late));
        let gap = self.access.asides.take_gap();
        outcome.map_err(|error| match gap {
            Some(gap) => OrderError::Clock(gap, Box::new(error)),
            None => error,
        })
    }

    async fn obtain(&self) -> Result<(), OrderError> {
        let folder = self.ground.folder;
        folder.sweep().map_err(OrderError::Folder)?;
        dns::sweep(self.ground.dns, folder).await;
        let mut order = self.begin().await?;
        let answers = self.ground.answer(&mut order).await?;
        let proven = self.prove(&mut order).await;
        answers.take_back().await;
        proven?;
        let request = certificate_request(self.names).map_err(|error| OrderError::Generation(error.to_string()))?;
        order.finalize_csr(&request.der).await?;
        let chain = order.poll_certificate(&RetryPolicy::default().timeout(VALIDATION_WAIT)).await?;
        let text = Zeroizing::new(format!("{chain}\n{}", request.key.as_str()));
        // Its life may have begun only while we waited.
        folder.install(&text, wall()).map_err(|error| match error {
            InstallError::Unwritable(error) => OrderError::Folder(error),
            InstallError::Unusable(error) => OrderError::Unusable(error),
        })
    }

    /// Lets the authority look at the answers.
    async fn prove(&self, order: &mut Order) -> Result<(), OrderError> {
        self.ground.ready(order).await?;
        match order.poll_ready(&RetryPolicy::default().timeout(VALIDATION_WAIT)).await {
            Ok(OrderStatus::Ready) => Ok(()),
            ended => {
                let reasons = refused(order).await;
                if !reasons.is_empty() {
                    return Err(OrderError::Unproven(reasons));
                }
                let status = ended?;
                Err(OrderError::Authority(Error::Other(format!("the order became {status:?} without a reason").into())))
            }
        }
    }

    async fn begin(&self) -> Result<Order, OrderError> {
        let account = self.access.open().await?;
        let profile = self.profile(&account)?;
        match self.order(&account, profile).await {
            Err(Error::Api(problem)) if is_gone(&problem) => {
                let account = self.access.replace(&problem).await?;
                Ok(self.order(&account, profile).await?)
            }
            ordered => Ok(ordered?),
        }
    }

    /// The profile to ask for; none where the authority has none, because it would not know the word.
    fn profile(&self, account: &Account) -> Result<Option<&str>, OrderError> {
        let Some(wanted) = self.access.authority.profile.as_deref() else { return Ok(None) };
        let offered = account.profiles().map(|profile| profile.name.to_owned()).collect::<Vec<_>>();
        if offered.is_empty() {
            tracing::warn!(profile = wanted, "the authority has no profiles; it chooses the kind of certificate");
            return Ok(None);
        }
        match offered.iter().any(|name| name == wanted) {
            true => Ok(Some(wanted)),
            false => Err(OrderError::NoProfile(wanted.to_owned(), offered)),
        }
    }

    async fn order(&self, account: &Account, profile: Option<&str>) -> Result<Order, Error> {
        let names = self.names.iter().map(|name| Identifier::Dns(name.to_string())).collect::<Vec<_>>();
        let new = || {
            let order = NewOrder::new(&names);
            match profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        let replaced = self.replaces.and_then(certificate_id);
        let Some(replaced) = replaced else { return account.new_order(&new()).await };
        match account.new_order(&new().replaces(replaced)).await {
            // Another instance was first, or the authority has no memory of it: a certificate is due all the same.
            Err(Error::Unsupported(_)) => account.new_order(&new()).await,
            Err(Error::Api(problem)) if is(&problem, "alreadyReplaced") || is(&problem, "malformed") => {
                account.new_order(&new()).await
            }
            ordered => ordered,
        }
    }
}

/// What names the certificate at its authority. Source: RFC 9773 section 4.1.
pub(super) fn certificate_id(certificate: &LoadedCertificate) -> Option<CertificateIdentifier<'static>> {
    let (authority, serial) = certificate.renewal_id()?;
    Some(CertificateIdentifier {
        authority_key_identifier: URL_SAFE_NO_PAD.encode(authority).into(),
        serial: URL_SAFE_NO_PAD.encode(serial).into(),
    })
}

fn is(problem: &Problem, wanted: &str) -> bool {
    problem.r#type.as_deref().and_then(kind) == Some(wanted)
}
