//! Certificates that a certificate authority issues by ACME, and the defaults.

use super::acme_dns::DnsSettings;
use http::Uri;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Where Let's Encrypt begins.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Where what is done can be tried out: its certificates are trusted by nobody, its limits are wide.
const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// How certificates are obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// Whether they are.
    pub enabled: bool,
    /// The authority.
    pub directory: DirectoryUrl,
    /// Authorities that the directory's own certificate may come from, as a PEM file; `None` for the public ones.
    pub ca: Option<PathBuf>,
    /// Where the authority may write to.
    pub email: Option<String>,
    /// How names are shown to be ours.
    pub challenge: ChallengeChoice,
    /// Which kind of certificate the authority shall issue, of those it offers.
    pub profile: Option<String>,
    /// The account that exists at the authority already.
    pub external_account: ExternalAccount,
    /// Whether names below a domain are covered by a wildcard.
    pub wildcard: bool,
    /// Records in the DNS.
    pub dns: DnsSettings,
    /// Another authority, for when the first one fails.
    pub fallback: FallbackSettings,
    /// Where `clearway certs rehearse` goes.
    pub staging_directory: DirectoryUrl,
    /// As `ca`, for that directory.
    pub staging_ca: Option<PathBuf>,
    /// Attempts within a day at most.
    pub attempts_per_day: NonZeroUsize,
    /// The pause after a first failure; each further one is three times as long.
    pub first_pause: Duration,
    /// How long the authority may take for one answer.
    pub timeout: Duration,
}

impl Default for AcmeSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            directory: DirectoryUrl(LETS_ENCRYPT.into()),
            ca: None,
            email: None,
            challenge: ChallengeChoice::default(),
            profile: None,
            external_account: ExternalAccount::default(),
            wildcard: false,
            dns: DnsSettings::default(),
            fallback: FallbackSettings::default(),
            staging_directory: DirectoryUrl(LETS_ENCRYPT_STAGING.into()),
            staging_ca: None,
            attempts_per_day: NonZeroUsize::MIN.saturating_add(11),
            // Five attempts in the first hour, as many failed validations as public authorities allow a name.
            first_pause: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
        }
    }
}

impl AcmeSettings {
    /// The authority that is asked first.
    #[must_use]
    pub fn first(&self) -> AuthoritySettings {
        AuthoritySettings {
            directory: self.directory.clone(),
            ca: self.ca.clone(),
            profile: self.profile.clone(),
            external_account: self.external_account.clone(),
        }
    }

    /// The one that stands in for it, if there is one.
    #[must_use]
    pub fn second(&self) -> Option<AuthoritySettings> {
        let FallbackSettings { directory, ca, profile, external_account, .. } = self.fallback.clone();
        Some(AuthoritySettings { directory: directory?, ca, profile, external_account })
    }

    /// The one for rehearsals, where no account is needed beforehand.
    #[must_use]
    pub fn staging(&self) -> AuthoritySettings {
        AuthoritySettings {
            directory: self.staging_directory.clone(),
            ca: self.staging_ca.clone(),
            profile: None,
            external_account: ExternalAccount::default(),
        }
    }
}

/// One authority, and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// Where it begins.
    pub directory: DirectoryUrl,
    /// Authorities that the directory's own certificate may come from; `None` for the public ones.
    pub ca: Option<PathBuf>,
    /// Which kind of certificate.
    pub profile: Option<String>,
    /// The account that exists there already.
    pub external_account: ExternalAccount,
}

/// The authority that stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackSettings {
    /// Where it begins; `None` for none.
    pub directory: Option<DirectoryUrl>,
    /// As `AuthoritySettings::ca`.
    pub ca: Option<PathBuf>,
    /// As `AuthoritySettings::profile`.
    pub profile: Option<String>,
    /// As `AuthoritySettings::external_account`.
    pub external_account: ExternalAccount,
    /// Failures in a row at the first authority before this one is asked.
    pub after: NonZeroUsize,
}

impl Default for FallbackSettings {
    fn default() -> Self {
        Self {
            directory: None,
            ca: None,
            profile: None,
            external_account: ExternalAccount::default(),
            after: NonZeroUsize::MIN.saturating_add(2),
        }
    }
}

/// An account made elsewhere, which ours is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its name.
    pub id: Option<String>,
    /// The file with its key, as the authority gives it (base64url).
    pub key_file: Option<PathBuf>,
}

/// How names are shown to be ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChallengeChoice {
    /// By the DNS where that is set up, else by what the listeners allow; the next way after a failure.
    #[default]
    Auto,
    /// A record in the DNS.
    Dns,
    /// An answer on the http listener, which the authority reaches at port 80.
    Http,
    /// A certificate on the https listener, which the authority reaches at port 443.
    TlsAlpn,
}

/// The URL of an authority's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryUrl(Box<str>);

/// The text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryUrlError;

impl fmt::Display for DirectoryUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an https:// URL with a path")
    }
}

impl DirectoryUrl {
    /// Parses an `https://` URL without user, query or fragment.
    ///
    /// # Errors
    /// `DirectoryUrlError` for anything else.
    pub fn parse(text: &str) -> Result<Self, DirectoryUrlError> {
        let uri = text.parse::<Uri>().map_err(|_| DirectoryUrlError)?;
        let plain = !text.contains(['@', '?', '#']) && uri.path().len() > 1;
        let https = uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty());
        if plain && https { Ok(Self(text.into())) } else { Err(DirectoryUrlError) }
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its folder: what a file name can carry of the URL.
    #[must_use]
    pub fn folder_name(&self) -> String {
        let rest = self.0.strip_prefix("https://").unwrap_or(&self.0);
        let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
        rest.chars().map(kept).collect()
    }
}

impl fmt::Display for DirectoryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_https_urls_and_become_folders() {
        for (text, folder) in [
            (LETS_ENCRYPT, Some("acme-v02.api.letsencrypt.org_directory")),
            ("https://127.0.0.1:14000/dir", Some("127.0.0.1_14000_dir")),
            ("https://[::1]:14000/a/../b", Some("___1__14000_a_.._b")),
            ("http://ca.example/dir", None),
            ("https://ca.example", None),
            ("https://ca.example/", None),
            ("https:///dir", None),
            ("https://user@ca.example/dir", None),
            ("https://ca.example/dir?x", None),
            ("ca.example/dir", None),
            ("", None),
        ] {
            let parsed = DirectoryUrl::parse(text);
            assert_eq!(parsed.ok().map(|url| url.folder_name()).as_deref(), folder, "{text}");
        }
    }
}
