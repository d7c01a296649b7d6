//! One order: account, challenges, certificate.

use super::ca::{Ca, Patience};
use super::folder::{Folder, InstallError};
use crate::domain::names::HostName;
use crate::domain::settings::AcmeSettings;
use crate::runtime::wall;
use crate::tls::{
    Challenges, ClientTls, LoadError, LoadedCertificate, PendingChallenge, ServerTlsError, certificate_request,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use std::fmt;
use std::io;
use std::time::Duration;

/// How long the authority may take to look at the challenges, and to issue.
const VALIDATION_WAIT: Duration = Duration::from_secs(180);

/// Why there is no new certificate.
#[derive(Debug)]
pub(super) enum OrderError {
    /// The authority refused, or cannot be talked to.
    Authority(Error),
    /// It did not find our answers to its challenges.
    Unproven(Vec<String>),
    /// It offers none of the challenges that can be answered.
    NoChallenge(String),
    /// The folder cannot be read or written.
    Folder(io::Error),
    /// A file that the settings name cannot be used.
    File(LoadError),
    /// TLS cannot be set up.
    Tls(ServerTlsError),
    /// The key of the external account cannot be read.
    ExternalKey(io::Error),
    /// No key or request could be made.
    Generation(String),
    /// The authority's certificate cannot be served.
    Unusable(LoadError),
    /// It took too long.
    Late,
}

impl OrderError {
    /// What to do about it.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::Authority(Error::Api(_)) => "see what the authority says, and acme in the configuration",
            Self::Authority(_) | Self::Late => "check that the authority can be reached from here, and acme.directory",
            Self::Unproven(_) => {
                "every name must lead to this machine from the internet: port 80 to the http listener, or 443 to https"
            }
            Self::NoChallenge(_) => "set acme.challenge to auto",
            Self::Folder(_) => "make certificate_folder readable and writable for the user that runs this program",
            Self::File(_) | Self::ExternalKey(_) => "check the files that acme names",
            Self::Tls(_) | Self::Generation(_) => "restart; if it stays, report it",
            Self::Unusable(_) => "the certificate in use stays; ask the authority",
        }
    }
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(error) => {
                error.fmt(f)?;
                let mut cause = std::error::Error::source(error);
                while let Some(next) = cause {
                    write!(f, ": {next}")?;
                    cause = next.source();
                }
                Ok(())
            }
            Self::Unproven(reasons) => write!(f, "the authority refused these names: {}", reasons.join("; ")),
            Self::NoChallenge(name) => write!(f, "the authority offers no challenge for {name} that is enabled here"),
            Self::Folder(error) => write!(f, "the folder of the authority cannot be used: {error}"),
            Self::File(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::ExternalKey(error) => write!(f, "acme.external_account.key_file cannot be read: {error}"),
            Self::Generation(error) => write!(f, "no key or request can be made: {error}"),
            Self::Unusable(error) => write!(f, "the new certificate cannot be served: {error}"),
            Self::Late => f.write_str("the order took too long"),
        }
    }
}

impl std::error::Error for OrderError {}

impl From<Error> for OrderError {
    fn from(error: Error) -> Self {
        Self::Authority(error)
    }
}

/// What one order needs to know.
pub(super) struct Plan<'a> {
    pub(super) settings: &'a AcmeSettings,
    pub(super) names: &'a [HostName],
    pub(super) challenge: ChallengeType,
    pub(super) folder: &'a Folder,
    pub(super) challenges: &'a Challenges,
    pub(super) patience: &'a Patience,
    /// The certificate that is replaced, where the authority wants to know.
    pub(super) replaces: Option<&'a LoadedCertificate>,
}

impl Plan<'_> {
    /// The account at the authority: the one that is kept, else a new one.
    pub(super) async fn account(&self) -> Result<Account, OrderError> {
        let tls = match &self.settings.ca {
            Some(file) => ClientTls::load(file).map_err(OrderError::File)?,
            None => ClientTls::public().map_err(OrderError::Tls)?,
        };
        let builder = Account::builder_with_http(Box::new(Ca::new(tls, self.patience.clone())));
        if let Some(kept) = self.folder.account().map_err(OrderError::Folder)? {
            return Ok(builder.from_credentials(kept).await?);
        }
        let contact = self.settings.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact = contact.as_deref().into_iter().collect::<Vec<_>>();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = self.external_account()?;
        let directory = self.settings.directory.as_str().to_owned();
        let (account, credentials) = builder.create(&new, directory, external.as_ref()).await?;
        self.folder.keep_account(&credentials).map_err(OrderError::Folder)?;
        tracing::info!(account = account.id(), directory = %self.settings.directory, "account made at the authority");
        Ok(account)
    }

    fn external_account(&self) -> Result<Option<ExternalAccountKey>, OrderError> {
        let external = &self.settings.external_account;
        let (Some(id), Some(file)) = (&external.id, &external.key_file) else { return Ok(None) };
        let text = std::fs::read_to_string(file).map_err(OrderError::ExternalKey)?;
        let key = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
        let key = key.map_err(|error| OrderError::ExternalKey(io::Error::other(error)))?;
        Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
    }

    /// Obtains a certificate and takes it in.
    ///
    /// # Cancel safety
    /// Answers to challenges are taken back; the order lapses at the authority.
    pub(super) async fn run(&self) -> Result<(), OrderError> {
        self.folder.sweep().map_err(OrderError::Folder)?;
        let mut order = match self.begin().await {
            // An authority that lost its data, or a test of one that was started anew.
            Err(OrderError::Authority(Error::Api(problem))) if is(&problem, "accountDoesNotExist") => {
                tracing::warn!("the authority does not know our account any more; a new one is made");
                self.folder.forget_account().map_err(OrderError::Folder)?;
                self.begin().await
            }
            begun => begun,
        }?;
        let answers = self.answer(&mut order).await?;
        let policy = RetryPolicy::default().timeout(VALIDATION_WAIT);
        let ready = order.poll_ready(&policy).await;
        if !matches!(ready, Ok(OrderStatus::Ready)) {
            let reasons = refused(&mut order).await;
            if !reasons.is_empty() {
                return Err(OrderError::Unproven(reasons));
            }
            ready?;
        }
        drop(answers);
        let request = certificate_request(self.names).map_err(|error| OrderError::Generation(error.to_string()))?;
        order.finalize_csr(&request.der).await?;
        let chain = order.poll_certificate(&policy).await?;
        let text = zeroize::Zeroizing::new(format!("{chain}\n{}", request.key.as_str()));
        // Its life may have begun only while we waited.
        self.folder.install(&text, wall()).map_err(|error| match error {
            InstallError::Unwritable(error) => OrderError::Folder(error),
            InstallError::Unusable(error) => OrderError::Unusable(error),
        })
    }

    async fn begin(&self) -> Result<Order, OrderError> {
        let account = self.account().await?;
        let names = self.names.iter().map(|name| Identifier::Dns(name.as_str().to_owned())).collect::<Vec<_>>();
        let new = || {
            let order = NewOrder::new(&names);
            match &self.settings.profile {
                Some(profile) => order.profile(profile),
                None => order,
            }
        };
        let replaced = self.replaces.and_then(certificate_id);
        let Some(replaced) = replaced else { return Ok(account.new_order(&new()).await?) };
        match account.new_order(&new().replaces(replaced)).await {
            // Another instance was first, or the authority has no memory of it: a certificate is due all the same.
            Err(Error::Unsupported(_)) => Ok(account.new_order(&new()).await?),
            Err(Error::Api(problem)) if is(&problem, "alreadyReplaced") || is(&problem, "malformed") => {
                Ok(account.new_order(&new()).await?)
            }
            ordered => Ok(ordered?),
        }
    }

    /// Puts up an answer for each name, then tells the authority to look.
    async fn answer(&self, order: &mut Order) -> Result<Vec<PendingChallenge>, OrderError> {
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Some(mut challenge) = authorization.challenge(self.challenge.clone()) else {
                return Err(OrderError::NoChallenge(name));
            };
            let answer = challenge.key_authorization();
            answers.push(match self.challenge {
                ChallengeType::TlsAlpn01 => {
                    let pending = self.challenges.answer_tls(&name, answer.digest().as_ref());
                    pending.map_err(|error| OrderError::Generation(error.to_string()))?
                }
                _ => self.challenges.answer_http(&challenge.token, answer.as_str()).map_err(OrderError::Folder)?,
            });
            challenge.set_ready().await?;
        }
        Ok(answers)
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

/// What the authority says of the names that it refused.
async fn refused(order: &mut Order) -> Vec<String> {
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

fn is(problem: &Problem, kind: &str) -> bool {
    problem.r#type.as_deref().and_then(|kind| kind.strip_prefix("urn:ietf:params:acme:error:")) == Some(kind)
}
