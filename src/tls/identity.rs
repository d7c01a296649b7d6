//! What a client's certificate says of its owner, as text that is safe in a header field and a log.
//!
//! Everything is ASCII: other bytes are written as RFC 4514 and RFC 3986 write them, so that no name can end a line,
//! pretend to be two names or be read in two ways.

use super::der::wrapped;
use crate::domain::facts::ClientCertificate;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Characters of a subject, and of all alternative names. What is longer is left out whole: half a name is another name.
const TEXT_MAX: usize = 1_024;

/// Names of attributes: those of RFC 4514 section 3, and two that are in wide use.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("2.5.4.5", "serialNumber"),
];

/// Reads the certificate that `chain` begins with; `None` where there is none.
pub(super) fn identity(chain: &[CertificateDer<'_>]) -> Option<ClientCertificate> {
    let leaf = chain.first()?;
    let (_, x509) = X509Certificate::from_der(leaf).ok()?;
    let names = x509.subject_alternative_name().ok().flatten();
    let names = names.map(|names| alternative_names(&names.value.general_names)).unwrap_or_default();
    let bounded = |text: String| if text.len() > TEXT_MAX { String::new() } else { text };
    Some(ClientCertificate {
        subject: bounded(distinguished_name(x509.subject())),
        names: bounded(names),
        fingerprint: hex(digest(&SHA256, leaf).as_ref()),
        chain: chain.iter().map(|der| Box::from(der.as_ref())).collect(),
    })
}

/// A name as RFC 4514 writes it: the last part first.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts =
        name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect::<Vec<_>>();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let known = ATTRIBUTES.iter().find(|(id, _)| *id == oid).map(|(_, name)| *name);
    match (known, attribute.as_str()) {
        (Some(name), Ok(text)) => format!("{name}={}", escaped(text)),
        // The whole value in BER, which every reader takes.
        (known, _) => {
            let value = attribute.attr_value();
            let ber = wrapped(u8::try_from(value.tag().0).unwrap_or_default(), &[value.data]);
            format!("{}=#{}", known.unwrap_or(&oid), hex(&ber))
        }
    }
}

/// Source: RFC 4514 section 2.4; bytes outside ASCII and control characters as pairs of digits.
fn escaped(text: &str) -> String {
    let last = text.len().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (place, byte) in text.bytes().enumerate() {
        let special = matches!(byte, b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' | b'=');
        let at_edge = (byte == b' ' && (place == 0 || place == last)) || (byte == b'#' && place == 0);
        match byte {
            _ if special || at_edge => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
    out
}

/// The names that identify a program or machine, each with its kind, as OpenSSL calls it.
fn alternative_names(names: &[GeneralName<'_>]) -> String {
    let named = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(text) => Some(format!("DNS:{}", encoded(text))),
        GeneralName::URI(text) => Some(format!("URI:{}", encoded(text))),
        GeneralName::RFC822Name(text) => Some(format!("email:{}", encoded(text))),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| format!("IP:{ip}")),
        _ => None,
    });
    named.collect::<Vec<_>>().join(", ")
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).to_string()),
        _ => None,
    }
}

/// Whatever could be taken for the end of a name becomes `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            b'.' | b'-' | b'_' | b'~' | b':' | b'/' | b'@' | b'*' | b'+' | b'=' | b'?' | b'&' | b'#' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    fn read(name: &[(DnType, &str)], names: Vec<SanType>) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in name {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = names;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        identity(&[certificate.der().clone()]).unwrap()
    }

    #[test]
    fn subjects_are_written_by_rfc_4514_in_ascii() {
        let cn = |value| read(&[(DnType::CommonName, value)], Vec::new()).subject;
        for (value, written) in [
            ("agent-1", "CN=agent-1"),
            ("a, O=evil", "CN=a\\, O\\=evil"),
            ("a+b<c>;\"\\", "CN=a\\+b\\<c\\>\\;\\\"\\\\"),
            (" a ", "CN=\\ a\\ "),
            ("#a#", "CN=\\#a#"),
            ("Jürgen", "CN=J\\C3\\BCrgen"),
            ("a\r\nX-Admin: 1", "CN=a\\0D\\0AX-Admin: 1"),
            ("", "CN="),
        ] {
            assert_eq!(cn(value), written);
        }
        let several = [(DnType::CountryName, "DE"), (DnType::OrganizationName, "Lab"), (DnType::CommonName, "x")];
        assert_eq!(read(&several, Vec::new()).subject, "CN=x,O=Lab,C=DE", "the last part goes first");
        let unknown = read(&[(DnType::CustomDnType(vec![1, 2, 3, 4]), "ab")], Vec::new());
        assert_eq!(unknown.subject, "1.2.3.4=#0c026162");
    }

    #[test]
    fn a_name_that_is_too_long_is_left_out_whole() {
        let read = read(&[(DnType::CommonName, &"x".repeat(TEXT_MAX))], Vec::new());
        assert_eq!((read.subject.as_str(), read.fingerprint.len()), ("", 64));
    }

    #[test]
    fn alternative_names_cannot_pretend_to_be_two() {
        let text = |text: &str| text.try_into().unwrap();
        let names = vec![
            SanType::DnsName(text("agent-1.example")),
            SanType::URI(text("spiffe://example/agent-1, DNS:evil")),
            SanType::Rfc822Name(text("a@b.example")),
            SanType::IpAddress([10, 0, 0, 1].into()),
        ];
        assert_eq!(
            read(&[], names).names,
            "DNS:agent-1.example, URI:spiffe://example/agent-1%2C%20DNS:evil, email:a@b.example, IP:10.0.0.1"
        );
    }
}
