//! The account at an authority: the one that is kept, else a new one.

use super::asides::Asides;
use super::ca::Ca;
use super::folder::Folder;
use super::order_error::{OrderError, kind};
use crate::domain::settings::{AuthoritySettings, ExternalAccount};
use crate::runtime::open_file;
use crate::tls::ClientTls;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{Account, Error, ExternalAccountKey, NewAccount, Problem};
use std::io;
use std::time::Duration;

/// What is needed to speak to one authority.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) authority: &'a AuthoritySettings,
    pub(super) email: Option<&'a str>,
    /// Where the account is kept.
    pub(super) folder: &'a Folder,
    /// For one answer.
    pub(super) timeout: Duration,
    pub(super) asides: &'a Asides,
}

impl Access<'_> {
    /// The account that is kept, if there is one. One that cannot be read is set aside.
    pub(super) async fn kept(&self) -> Result<Option<Account>, OrderError> {
        match self.folder.account().map_err(OrderError::Folder)? {
            None => Ok(None),
            Some(Ok(kept)) => {
                let builder = Account::builder_with_http(Box::new(self.ca()?));
                match builder.from_credentials(kept).await {
                    Ok(account) => Ok(Some(account)),
                    Err(Error::KeyRejected) => self.set_aside("its key is none", "unreadable").map(|()| None),
                    Err(error) => Err(error.into()),
                }
            }
            Some(Err(error)) => self.set_aside(&error.to_string(), "unreadable").map(|()| None),
        }
    }

    /// The account that is kept, else a new one.
    pub(super) async fn open(&self) -> Result<Account, OrderError> {
        match self.kept().await? {
            Some(account) => Ok(account),
            None => self.make().await,
        }
    }

    /// A new account instead of the one that the authority does not take any more, as it says in `problem`.
    pub(super) async fn replace(&self, problem: &Problem) -> Result<Account, OrderError> {
        self.set_aside(&problem.to_string(), "refused")?;
        self.make().await
    }

    fn set_aside(&self, why: &str, name: &str) -> Result<(), OrderError> {
        let directory = &self.authority.directory;
        tracing::warn!(why, %directory, "the account at the authority is of no use any more; a new one is made");
        self.folder.forget_account(name).map_err(OrderError::Folder)
    }

    async fn make(&self) -> Result<Account, OrderError> {
        let contact = self.email.map(|email| format!("mailto:{email}"));
        let contact = contact.as_deref().into_iter().collect::<Vec<_>>();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = external_account(&self.authority.external_account)?;
        let directory = self.authority.directory.as_str().to_owned();
        let builder = Account::builder_with_http(Box::new(self.ca()?));
        let (account, credentials) = builder.create(&new, directory, external.as_ref()).await?;
        self.folder.keep_account(&credentials).map_err(OrderError::Folder)?;
        tracing::info!(account = account.id(), directory = %self.authority.directory, "account made at the authority");
        Ok(account)
    }

    fn ca(&self) -> Result<Ca, OrderError> {
        let tls = match &self.authority.ca {
            Some(file) => ClientTls::load(file).map_err(OrderError::File)?,
            None => ClientTls::public().map_err(OrderError::Tls)?,
        };
        Ok(Ca::new(tls, self.asides.clone(), self.timeout))
    }
}

fn external_account(external: &ExternalAccount) -> Result<Option<ExternalAccountKey>, OrderError> {
    let (Some(id), Some(file)) = (&external.id, &external.key_file) else { return Ok(None) };
    let text = zeroize::Zeroizing::new(open_file(file).and_then(io::read_to_string).map_err(OrderError::ExternalKey)?);
    let key = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
    let key = key.map_err(|error| OrderError::ExternalKey(io::Error::other(error)))?;
    Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
}

/// Whether the authority means that this account is gone: lost with its data, deactivated or revoked.
/// Source: RFC 8555 sections 6.7 and 7.3.6.
pub(super) fn is_gone(problem: &Problem) -> bool {
    let detail = problem.detail.as_deref().unwrap_or_default().to_ascii_lowercase();
    match problem.r#type.as_deref().and_then(kind) {
        Some("accountDoesNotExist") => true,
        // The same kind is used for names that the account may not have.
        Some("unauthorized") => {
            detail.contains("account") && (detail.contains("deactivated") || detail.contains("revoked"))
        }
        _ => false,
    }
}
