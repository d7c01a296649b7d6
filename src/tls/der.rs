//! The little DER that has to be written here: elements, and a certificate with another issuer's name.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// `certificate` with `issuer`, a name in DER, in place of its issuer, signed again by `sign`.
pub(super) fn with_issuer(
    certificate: &[u8],
    issuer: &[u8],
    sign: impl Fn(&[u8]) -> Result<Vec<u8>, rcgen::Error>,
) -> Result<Vec<u8>, rcgen::Error> {
    let broken = || rcgen::Error::CouldNotParseCertificate;
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| broken())?;
    let whole = parsed.tbs_certificate.as_ref();
    let before = parsed.issuer().as_raw();
    // Both are slices of one text, so the place is known and not searched for.
    let at = (before.as_ptr() as usize).checked_sub(whole.as_ptr() as usize).ok_or_else(broken)?;
    let head = header_length(whole).ok_or_else(broken)?;
    let first = whole.get(head..at).ok_or_else(broken)?;
    let last = whole.get(at + before.len()..).ok_or_else(broken)?;
    let message = wrapped(SEQUENCE, &[first, issuer, last]);
    let signature = sign(&message)?;
    let signature = wrapped(BIT_STRING, &[&[0], &signature]);
    // What stands between the two is the algorithm, which is the same as before.
    let algorithm = algorithm(certificate, whole.len()).ok_or_else(broken)?;
    Ok(wrapped(SEQUENCE, &[&message, algorithm, &signature]))
}

/// The algorithm of `certificate`, whose signed part is `signed` bytes long.
fn algorithm(certificate: &[u8], signed: usize) -> Option<&[u8]> {
    let rest = certificate.get(header_length(certificate)? + signed..)?;
    rest.get(..element_length(rest)?)
}

/// Bytes of tag and length.
fn header_length(element: &[u8]) -> Option<usize> {
    let length = *element.get(1)?;
    Some(2 + if length & 0x80 == 0 { 0 } else { usize::from(length & 0x7f) })
}

/// Bytes of the whole element at the begin of `bytes`.
fn element_length(bytes: &[u8]) -> Option<usize> {
    let header = header_length(bytes)?;
    let inside = match header {
        2 => usize::from(*bytes.get(1)?),
        _ => bytes
            .get(2..header)?
            .iter()
            .try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add((*byte).into()))?,
    };
    header.checked_add(inside)
}

/// An element of `parts` after each other.
pub(super) fn wrapped(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let inside = parts.concat();
    [vec![tag], length(inside.len()), inside].concat()
}

fn length(count: usize) -> Vec<u8> {
    match u8::try_from(count) {
        Ok(short) if short < 0x80 => vec![short],
        _ => {
            let bytes = count.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            [vec![0x80 | u8::try_from(bytes.len()).unwrap_or_default()], bytes].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let element = wrapped(SEQUENCE, &[&vec![7; length], b""]);
            assert_eq!(element_length(&element), Some(element.len()), "{length}");
            assert_eq!(element.len() - header_length(&element).unwrap(), length);
        }
    }

    #[test]
    fn lengths_are_in_der() {
        for (count, bytes) in [(0, vec![0]), (127, vec![127]), (128, vec![0x81, 128]), (300, vec![0x82, 1, 44])] {
            assert_eq!(length(count), bytes);
        }
    }

    #[test]
    fn half_an_element_has_no_length_that_fits() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x82, 1], &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
            assert_eq!(element_length(bytes), None, "{bytes:?}");
        }
        assert!(with_issuer(b"\x30\x03\x02\x01\x01", b"", |_| Ok(Vec::new())).is_err());
    }
}
