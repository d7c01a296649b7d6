//! PEM files: read whole and bounded, and told from what people give by mistake.
//!
//! Leaves: what stands in the certificates to `chain`, whether a key fits to `load`.
//! Limits: 1 MiB for each file, and no wait for one.

use super::load_error::{Instead, LoadError, LoadProblem};
use crate::runtime::open_file;
use memchr::memmem::find;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of one file. The longest chains seen have some 20 KiB; this is only against a wrong path.
const FILE_SIZE_MAX: u64 = 1024 * 1024;

/// Every certificate of a PEM file, as they stand there.
pub(super) fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    certificates(file, &read(file)?)
}

/// Every certificate of the PEM text in `bytes`, which came from `file`.
pub(super) fn certificates(file: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let text = without_mark(bytes);
    let found = CertificateDer::pem_slice_iter(text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fail(LoadProblem::BrokenPem(error)))?;
    if found.is_empty() { Err(fail(LoadProblem::NoCertificate(instead(text, CERTIFICATE)))) } else { Ok(found) }
}

/// The first private key of a PEM file.
pub(super) fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let bytes = read(file)?;
    let text = without_mark(&bytes);
    // RFC 7468 has its own label for it, the older form a header line.
    let marks: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
    if marks.iter().any(|mark| find(text, mark).is_some()) {
        return Err(fail(LoadProblem::EncryptedKey));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => fail(LoadProblem::NoKey(instead(text, KEY))),
        other => fail(LoadProblem::BrokenPem(other)),
    })
}

/// Whether a private key stands in the file, as far as it can be read.
pub(super) fn has_key(file: &Path) -> bool {
    read(file).is_ok_and(|bytes| find(&bytes, KEY).is_some())
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let fail = |problem| LoadError { file: file.to_owned(), problem };
    let mut bytes = Zeroizing::new(Vec::new());
    let opened = open_file(file).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    opened.take(FILE_SIZE_MAX + 1).read_to_end(&mut bytes).map_err(|error| fail(LoadProblem::Unreadable(error)))?;
    if bytes.len() as u64 > FILE_SIZE_MAX {
        return Err(fail(LoadProblem::TooLarge));
    }
    Ok(bytes)
}

/// Editors on Windows put a byte order mark first, which would hide the leaf.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The end of every label of a private key.
const KEY: &[u8] = b"PRIVATE KEY-----";

/// Labels of PEM sections, the telling ones first.
const LABELS: &[(&[u8], Instead)] = &[
    (b"-----BEGIN OPENSSH PRIVATE KEY-----", Instead::SshKey),
    (b"PRIVATE KEY-----", Instead::PrivateKey),
    (b"-----BEGIN TRUSTED CERTIFICATE-----", Instead::TrustedCertificate),
    (b"CERTIFICATE REQUEST-----", Instead::Request),
    (b"-----BEGIN PKCS7-----", Instead::Pkcs7),
    (CERTIFICATE, Instead::Certificate),
    (b"PUBLIC KEY-----", Instead::PublicKey),
];

/// What `bytes` are, where no section of the kind that `wanted` marks could be read in them.
fn instead(bytes: &[u8], wanted: &[u8]) -> Instead {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Instead::Utf16;
    }
    if bytes.starts_with(&[SEQUENCE]) {
        return if is_pkcs12(bytes) { Instead::Pkcs12 } else { Instead::Der };
    }
    match LABELS.iter().find(|(label, _)| find(bytes, label).is_some()) {
        Some((_, Instead::PrivateKey)) if wanted == KEY => Instead::Misshapen,
        Some((_, Instead::Certificate)) if wanted == CERTIFICATE => Instead::Misshapen,
        Some((_, instead)) => *instead,
        None => Instead::Nothing,
    }
}

/// The first byte of what is written in DER. No text begins with it and goes on like a length.
const SEQUENCE: u8 = 0x30;

/// PKCS#12 begins with its version, 3, and then has a sequence. Source: RFC 7292 section 4.
fn is_pkcs12(bytes: &[u8]) -> bool {
    let length = match bytes.get(1) {
        Some(byte) if byte & 0x80 != 0 => usize::from(byte & 0x7f),
        _ => 0,
    };
    bytes.get(2 + length..).is_some_and(|rest| rest.starts_with(&[2, 1, 3, SEQUENCE]))
}
