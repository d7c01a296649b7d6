//! Which hosts ask clients for certificates, and which certificates are accepted there.
//!
//! Owns: reading authorities and revocation lists, choosing a host's rule, checking a chain against it at any time.
//! Leaves: when it is checked to `request`, what stands in a certificate to `identity`.
//! Limits: 16 MiB for a revocation list.

use super::failure::reason_of;
use super::load_error::{LoadError, LoadProblem};
use super::pem_file::read_certificates;
use super::policy::provider;
use crate::domain::facts::{ClientCertificate, RuleId};
use crate::domain::names::NamePattern;
use crate::domain::settings::{ClientMode, ClientRuleSettings, TlsPolicy};
use crate::runtime::open_file;
use crate::telemetry::TlsFailure;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

/// Bytes of a revocation list: those of large authorities have some megabytes.
const LIST_SIZE_MAX: u64 = 16 * 1024 * 1024;

/// What hosts ask of clients; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ClientRules(Arc<[Entry]>);

#[derive(Debug)]
struct Entry {
    hosts: Vec<NamePattern>,
    /// `None` where clients are not asked.
    rule: Option<ClientRule>,
}

/// What one host asks of clients.
pub struct ClientRule {
    id: RuleId,
    required: bool,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    refuse_expired: bool,
    lists: Vec<List>,
    /// Authorities that no list is of, although there are lists.
    without_list: Vec<String>,
}

/// A revocation list, as far as warnings need it.
#[derive(Debug)]
struct List {
    file: PathBuf,
    next_update: Option<SystemTime>,
}

impl ClientRules {
    /// Reads the files that `rules` name.
    ///
    /// # Errors
    /// `LoadError` with the first file that cannot be used.
    pub fn load(rules: &[ClientRuleSettings], policy: TlsPolicy) -> Result<Self, LoadError> {
        let provider = provider(policy);
        let entry = |rule: &ClientRuleSettings| {
            let asking = match (rule.mode, &rule.roots) {
                (ClientMode::Off, _) | (_, None) => None,
                (_, Some(roots)) => Some(ClientRule::load(rule, roots, &provider)?),
            };
            Ok(Entry { hosts: rule.hosts.clone(), rule: asking })
        };
        Ok(Self(rules.iter().map(entry).collect::<Result<_, _>>()?))
    }

    /// Whether no host asks for certificates.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|entry| entry.rule.is_none())
    }

    /// The rule of `host` (any case, no port); `None` where it asks for nothing. Exact names go before wildcards.
    #[must_use]
    pub fn of(&self, host: &str) -> Option<&ClientRule> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = |exact: bool| {
            let fits = move |name: &NamePattern| matches!(name, NamePattern::Exact(_)) == exact && name.covers(host);
            self.0.iter().find(move |entry| entry.hosts.iter().any(fits))
        };
        named(true).or_else(|| named(false))?.rule.as_ref()
    }

    /// Every rule that asks.
    pub fn iter(&self) -> impl Iterator<Item = &ClientRule> {
        self.0.iter().filter_map(|entry| entry.rule.as_ref())
    }

    /// What somebody should look at, each in a sentence.
    #[must_use]
    pub fn warnings(&self, now: SystemTime) -> Vec<String> {
        self.iter().flat_map(|rule| rule.warnings(now)).collect()
    }
}

impl ClientRule {
    fn load(rule: &ClientRuleSettings, roots: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, LoadError> {
        let fail = |file: &Path, problem| LoadError { file: file.to_owned(), problem };
        let mut digest = Context::new(&SHA256);
        digest.update(&[u8::from(rule.mode == ClientMode::Required), u8::from(rule.refuse_expired_crls)]);
        let (mut store, mut authorities) = (RootCertStore::empty(), Vec::new());
        for (position, certificate) in read_certificates(roots)?.into_iter().enumerate() {
            digest.update(&certificate);
            let not_one = || fail(roots, LoadProblem::NotACertificate(position + 1));
            authorities.push(super::chain::Link::parse(&certificate).ok_or_else(not_one)?.subject());
            store.add(certificate).map_err(|_| not_one())?;
        }
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let mut lists = Vec::new();
        for file in &rule.crls {
            for list in read_lists(file)? {
                digest.update(&list);
                let about = parse(file, &list).ok_or_else(|| fail(file, LoadProblem::NotARevocationList))?;
                authorities.retain(|authority| *authority != about.1);
                lists.push(about.0);
                builder = builder.with_crls([list]);
            }
        }
        if rule.mode == ClientMode::Optional {
            builder = builder.allow_unauthenticated();
        }
        if rule.refuse_expired_crls {
            builder = builder.enforce_revocation_expiration();
        }
        let file = rule.crls.first().map_or(roots, PathBuf::as_path);
        let verifier = builder.build().map_err(|_| fail(file, LoadProblem::NotARevocationList))?;
        let mut id = [0; 16];
        id.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Ok(Self {
            id: RuleId(id),
            required: rule.mode == ClientMode::Required,
            verifier,
            refuse_expired: rule.refuse_expired_crls,
            without_list: if lists.is_empty() { Vec::new() } else { authorities },
            lists,
        })
    }

    /// What names it: equal for rules that accept the same certificates.
    #[must_use]
    pub const fn id(&self) -> RuleId {
        self.id
    }

    /// Whether nothing is served without a certificate.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    /// Checks a chain at `now`: its authorities, dates, purpose and revocation.
    ///
    /// # Errors
    /// Why it is not accepted.
    pub fn check(&self, client: &ClientCertificate, now: SystemTime) -> Result<(), TlsFailure> {
        let chain = client.chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect::<Vec<_>>();
        let (leaf, issuers) = chain.split_first().ok_or(TlsFailure::ClientCertificateMissing)?;
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO));
        self.verifier.verify_client_cert(leaf, issuers, now).map(drop).map_err(|error| reason_of(&error))
    }

    fn warnings(&self, now: SystemTime) -> Vec<String> {
        let outdated = self.lists.iter().filter_map(|list| {
            let due = list.next_update.filter(|due| *due < now)?;
            let meanwhile = match self.refuse_expired {
                true => "clients that it is about are refused",
                false => "it is used until there is a newer one",
            };
            let day = OffsetDateTime::from(due).date();
            Some(format!("the revocation list {} should have been replaced by {day}; {meanwhile}", list.file.display()))
        });
        let without = self.without_list.iter();
        let without = without.map(|authority| format!("no revocation list is of {authority}; its clients are refused"));
        outdated.chain(without).collect()
    }
}

impl fmt::Debug for ClientRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRule").field("id", &self.id).field("required", &self.required).finish_non_exhaustive()
    }
}

/// The lists of a file: any number as PEM, or one in DER, which is how authorities publish them.
fn read_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let mut bytes = Vec::new();
    let opened = open_file(file).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    opened.take(LIST_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    if bytes.len() as u64 > LIST_SIZE_MAX {
        return Err(fail(LoadProblem::NotARevocationList));
    }
    if memchr::memmem::find(&bytes, b"-----BEGIN").is_none() {
        return Ok(vec![CertificateRevocationListDer::from(bytes)]);
    }
    let lists = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(LoadProblem::BrokenPem(error)))?;
    if lists.is_empty() { Err(fail(LoadProblem::NotARevocationList)) } else { Ok(lists) }
}

/// When a list should be replaced, and who issued it.
fn parse(file: &Path, list: &CertificateRevocationListDer<'_>) -> Option<(List, String)> {
    let (rest, parsed) = CertificateRevocationList::from_der(list).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let next_update = parsed.next_update().map(super::chain::wall);
    Some((List { file: file.to_owned(), next_update }, super::chain::readable(parsed.issuer())))
}
