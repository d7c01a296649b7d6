//! New certificates of the local authority, requests for those of others, and what their challenges need.
//!
//! Owns: what stands in them. Leaves: when to make them, and where they are kept, to `local_ca` and `acme`.

use super::der;
use super::local_names::LocalNames;
use crate::domain::names::NamePattern;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, NameConstraints,
    SanType, SerialNumber, SigningKey,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Life of the authority. It is installed on clients by hand, so it should outlive the installation.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * DAY.as_secs());

/// Clients' clocks may be behind ours.
const BACKDATED: Duration = DAY;

/// Characters of a common name. Source: RFC 5280 appendix A.1, ub-common-name.
const COMMON_NAME_MAX: usize = 64;

/// The common name of the authority for `names`, cut at the length that X.509 allows.
pub(super) fn authority_name(names: &LocalNames) -> String {
    format!("Clearway local CA for {}", names.name).chars().take(COMMON_NAME_MAX).collect()
}

/// Makes the certificate of the authority for `names` with `key`, in PEM.
///
/// It can issue leaves only, and only within its permitted names.
pub(super) fn authority(names: &LocalNames, key: &KeyPair, now: SystemTime) -> Result<String, rcgen::Error> {
    let mut params = authority_params(names);
    Validity::of(AUTHORITY_LIFE, now).put(&mut params);
    // Not made from the key: a renewed authority keeps its key, and clients refuse two certificates of one number.
    params.serial_number = Some(random_serial()?);
    Ok(params.self_signed(key)?.pem())
}

/// Makes a leaf for `names` that is good for `life`, and its new key, both in one PEM text.
pub(super) fn leaf(
    names: &LocalNames,
    authority_key: KeyPair,
    life: Duration,
    now: SystemTime,
) -> Result<Zeroizing<String>, rcgen::Error> {
    let patterns = names.leaf.iter().cloned().map(NamePattern::Exact).collect::<Vec<_>>();
    let params = leaf_params(&patterns, &Validity::of(life, now))?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &Issuer::new(authority_params(names), authority_key))?;
    let key = Zeroizing::new(key.serialize_pem());
    Ok(Zeroizing::new(format!("{}{}", certificate.pem(), key.as_str())))
}

/// When a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

impl Validity {
    /// For `life` from `now`, and a day before it.
    pub(super) fn of(life: Duration, now: SystemTime) -> Self {
        Self { not_before: now - BACKDATED, not_after: now + life }
    }

    fn put(&self, params: &mut CertificateParams) {
        params.not_before = OffsetDateTime::from(self.not_before);
        params.not_after = OffsetDateTime::from(self.not_after);
    }
}

/// What a leaf takes over from the authority that signs it.
pub(super) struct IssuerFacts<'a> {
    /// The subject as it stands in its certificate.
    pub(super) subject: &'a [u8],
    /// The id of its key, likewise.
    pub(super) key_id: Option<&'a [u8]>,
    pub(super) key: &'a KeyPair,
}

/// Makes a leaf for `names`, in DER, with its new key in PEM, signed by an authority that was not made here.
///
/// The library writes an issuer's name from parts and knows each kind of part once only, while names of companies
/// have several (`DC=corp, DC=example`). So the name is put in byte by byte, and the whole signed again.
pub(super) fn leaf_by(
    issuer: &IssuerFacts<'_>,
    names: &[NamePattern],
    validity: &Validity,
) -> Result<(Vec<u8>, Zeroizing<String>), rcgen::Error> {
    let mut own = CertificateParams::default();
    if let Some(id) = issuer.key_id {
        own.key_identifier_method = KeyIdMethod::PreSpecified(id.to_vec());
    }
    let key = KeyPair::generate()?;
    let draft = leaf_params(names, validity)?.signed_by(&key, &Issuer::from_params(&own, issuer.key))?;
    let der = der::with_issuer(draft.der(), issuer.subject, |message| issuer.key.sign(message))?;
    Ok((der, Zeroizing::new(key.serialize_pem())))
}

fn leaf_params(names: &[NamePattern], validity: &Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("Clearway local certificate");
    for name in names {
        params.subject_alt_names.push(SanType::DnsName(name.to_string().try_into()?));
    }
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(random_serial()?);
    validity.put(&mut params);
    Ok(params)
}

/// A request for a certificate of another authority, with its new key.
pub struct CertificateRequest {
    /// PKCS#10, in DER.
    pub der: Vec<u8>,
    /// The key in PEM.
    pub key: Zeroizing<String>,
}

/// Makes a request for `names`, with a new P-256 key.
///
/// # Errors
/// The library's.
pub fn certificate_request(names: &[NamePattern]) -> Result<CertificateRequest, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for name in names {
        params.subject_alt_names.push(SanType::DnsName(name.to_string().try_into()?));
    }
    let key = KeyPair::generate()?;
    let der = params.serialize_request(&key)?.der().to_vec();
    Ok(CertificateRequest { der, key: Zeroizing::new(key.serialize_pem()) })
}

/// The certificate that answers a TLS-ALPN-01 challenge: for `name` alone, with the digest, signed by itself.
///
/// Source: RFC 8737 section 3.
pub(super) fn challenge(name: &str, digest: &[u8]) -> Result<CertifiedKey, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("Clearway certificate challenge");
    params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let key = aws_lc_rs::sign::any_ecdsa_type(&key.into()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&key)))
}

/// What both the authority's certificate and its signatures are made from. It depends on the names only, so the
/// certificate never has to be turned back into parameters.
fn authority_params(names: &LocalNames) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&authority_name(names));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.name_constraints = Some(NameConstraints {
        // Without a leading dot: that form is for the name and all below it. Source: RFC 5280 section 4.2.1.10.
        permitted_subtrees: names
            .permitted
            .iter()
            .map(|name| GeneralSubtree::DnsName(name.as_str().to_owned()))
            .collect(),
        // A kind of name that no subtree mentions would be free, so addresses are shut out by name.
        excluded_subtrees: vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ],
    });
    params
}

fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Clearway");
    name.push(DnType::CommonName, common_name);
    name
}

/// 16 random bytes, positive and not empty. Source: RFC 5280 section 4.1.2.2.
fn random_serial() -> Result<SerialNumber, rcgen::Error> {
    let mut bytes = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| rcgen::Error::RingUnspecified)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::{DAY, host, now, params};
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;
    use x509_parser::certificate::X509Certificate;
    use x509_parser::extensions::ParsedExtension;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    /// What a client that trusts `root` thinks of `leaf` for `name`.
    fn verdict(root: &CertificateDer<'static>, leaf: &CertificateDer<'_>, name: &str) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let at = UnixTime::since_unix_epoch(now().duration_since(SystemTime::UNIX_EPOCH).unwrap());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        verifier.verify_server_cert(leaf, &[], &name, &[], at).map(|_| ())
    }

    #[test]
    fn the_leaf_is_good_for_exactly_its_names() {
        let domain = LocalNames::below(&host("clearml.localhost"));
        let key = KeyPair::generate().unwrap();
        let root = der(&authority(&domain, &key, now()).unwrap());
        let leaf = der(&leaf(&domain, key, 90 * DAY, now()).unwrap());
        for name in ["app.clearml.localhost", "api.clearml.localhost", "files.clearml.localhost", "clearml.localhost"] {
            verdict(&root, &leaf, name).unwrap();
        }
        for name in ["other.clearml.localhost", "a.app.clearml.localhost", "localhost", "127.0.0.1"] {
            let error = verdict(&root, &leaf, name).unwrap_err();
            assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{name}: {error:?}");
        }
    }

    #[test]
    fn the_authority_is_worthless_outside_its_domain() {
        let domain = LocalNames::below(&host("clearml.localhost"));
        let key = KeyPair::generate().unwrap();
        let root = der(&authority(&domain, &key, now()).unwrap());
        let issuer = Issuer::new(authority_params(&domain), key);
        for (name, inside) in [
            ("x.clearml.localhost", true),
            ("example.com", false),
            ("notclearml.localhost", false),
            ("localhost", false),
            ("192.0.2.1", false),
            ("::1", false),
        ] {
            let leaf = params("leaf", &[name]).signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
            let verdict = verdict(&root, leaf.der(), name);
            // The library keeps this reason in a catch-all that never compares equal, so its text has to do.
            let constrained =
                verdict.as_ref().is_err_and(|error| error.to_string().contains("NameConstraintViolation"));
            assert_eq!((verdict.is_ok(), constrained), (inside, !inside), "{name}: {verdict:?}");
        }
    }

    #[test]
    fn certificates_say_what_they_are_for() {
        let domain = LocalNames::below(&host("clearml.localhost"));
        let key = KeyPair::generate().unwrap();
        let root = der(&authority(&domain, &key, now()).unwrap());
        let leaf = der(&leaf(&domain, key, 90 * DAY, now()).unwrap());
        let (_, root) = x509_parser::parse_x509_certificate(&root).unwrap();
        let (_, leaf) = x509_parser::parse_x509_certificate(&leaf).unwrap();
        let basic = root.basic_constraints().unwrap().unwrap();
        assert!(basic.critical && basic.value.ca && basic.value.path_len_constraint == Some(0));
        assert!(!leaf.is_ca() && leaf.basic_constraints().unwrap().is_some());
        let usage = root.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.flags == 0b110_0000, "{usage:?}");
        assert_eq!(leaf.key_usage().unwrap().unwrap().value.flags, 1);
        let purpose = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(purpose.server_auth && !purpose.client_auth && !purpose.any);
        assert!(root.name_constraints().unwrap().unwrap().critical);
        assert_eq!(root.subject().to_string(), "O=Clearway, CN=Clearway local CA for clearml.localhost");
        let id = |certificate: &X509Certificate<'_>, issuer: bool| {
            certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) if !issuer => Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) if issuer => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
                _ => None,
            })
        };
        assert!(id(&root, false).is_some() && id(&leaf, false).is_some());
        assert_eq!(id(&leaf, true), id(&root, false));
        assert_ne!(root.raw_serial(), leaf.raw_serial());
    }

    #[test]
    fn an_issuer_s_name_is_put_in_as_it_stands() {
        // Two parts of one kind: DC=example, DC=corp.
        let part = |value: &[u8]| {
            let id = [6, 10, 9, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
            let value = [&[0x16, u8::try_from(value.len()).unwrap()], value].concat();
            let pair = [&id[..], &value].concat();
            let pair = [&[0x30, u8::try_from(pair.len()).unwrap()], &pair[..]].concat();
            [&[0x31, u8::try_from(pair.len()).unwrap()], &pair[..]].concat()
        };
        let parts = [part(b"example"), part(b"corp")].concat();
        let name = [&[0x30, u8::try_from(parts.len()).unwrap()], &parts[..]].concat();
        for key in [KeyPair::generate().unwrap(), crate::tls::tests::rsa_key()] {
            let issuer = IssuerFacts { subject: &name, key_id: Some(b"company's own id"), key: &key };
            let patterns = [NamePattern::parse("*.corp.example").unwrap()];
            let (made, _) = leaf_by(&issuer, &patterns, &Validity::of(90 * DAY, now())).unwrap();
            let (rest, parsed) = x509_parser::parse_x509_certificate(&made).unwrap();
            assert!(rest.is_empty());
            assert_eq!(parsed.issuer().as_raw(), name);
            assert_eq!(parsed.issuer().to_string(), "DC=example, DC=corp");
            assert_eq!(parsed.signature_algorithm, parsed.tbs_certificate.signature);
            let signed = CertificateDer::from(made.clone());
            let signed = crate::tls::chain::Link::parse(&signed).unwrap();
            assert_eq!(signed.renewal_id().unwrap().0, b"company's own id");
            let holder = params("holder", &[]).self_signed(&key).unwrap();
            assert!(signed.is_signed_by(&crate::tls::chain::Link::parse(holder.der()).unwrap()));
        }
    }

    #[test]
    fn long_domains_fit_into_the_subject() {
        let domain = LocalNames::below(&host(&["abcdefghi"; 10].join(".")));
        assert_eq!(authority_name(&domain).chars().count(), COMMON_NAME_MAX);
        let key = KeyPair::generate().unwrap();
        let root = der(&authority(&domain, &key, now() - DAY).unwrap());
        verdict(&root, &der(&leaf(&domain, key, 90 * DAY, now()).unwrap()), domain.name.as_str()).unwrap();
    }
}
