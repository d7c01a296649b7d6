//! The door for fuzzing certificate files, and the same with a seeded generator as part of the tests: whatever stands
//! in them, it is told or served, and nothing panics.

use super::load::load_pair;
use crate::domain::settings::CertificateFiles;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The moment at which all files are read: 15 January 2027.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// Reads `bytes` as a chain with its key, through a file in `folder`; all that would be said of it.
///
/// # Panics
/// When something is said to be servable that is not.
#[cfg_attr(test, allow(unreachable_pub, reason = "seen from outside in fuzzing builds only"))]
#[must_use]
pub fn read_certificates(folder: &Path, bytes: &[u8]) -> String {
    let (file, now) = (folder.join("chain.pem"), SystemTime::UNIX_EPOCH + NOW);
    if std::fs::write(&file, bytes).is_err() {
        return String::new();
    }
    match load_pair(&CertificateFiles { chain: file.clone(), key: file }, now) {
        Ok(loaded) => {
            assert!(!loaded.names().is_empty() && loaded.chain().next().is_some(), "served without names");
            assert!(loaded.not_before() <= now && now <= loaded.not_after(), "served out of date");
            let warnings = loaded.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
            format!("{loaded:?} {:?} {}", loaded.renewal_id(), warnings.join(" "))
        }
        Err(error) => {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            format!("{error} {} {cause}", error.hint())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{leaf, root};
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const ROUNDS: usize = 2_000;

    /// A generator that is the same in each run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % end.max(1)
        }
    }

    /// Changes a few bytes: flips, cuts, repeats, lengths of DER.
    fn change(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(bytes.len());
            let to = (at + 1 + numbers.below(64)).min(bytes.len());
            match numbers.below(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..to)),
                2 => {
                    let part = bytes[at.min(to)..to].to_vec();
                    bytes.splice(at.min(to)..at.min(to), part);
                }
                3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 0x80, 0x84, 0xff][numbers.below(4)]),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << numbers.below(8)),
            }
        }
    }

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn no_change_of_a_file_panics_or_is_served_wrongly() {
        let folder = tempfile::tempdir().unwrap();
        let issuer = root("issuer");
        let leaf = leaf(&["a.test", "*.b.test", "*.*.c.test"], &issuer);
        let (der, key, above) = (leaf.certificate.der().to_vec(), leaf.key.serialize_der(), issuer.der().to_vec());
        let whole = |leaf: &[u8], key: &[u8], above: &[u8]| {
            [pem("CERTIFICATE", leaf), pem("CERTIFICATE", above), pem("PRIVATE KEY", key)].concat()
        };
        let told = read_certificates(folder.path(), whole(&der, &key, &above).as_bytes());
        assert!(told.contains("a.test"), "{told}");
        let (mut numbers, mut served) = (Numbers(7), 0);
        for _ in 0..ROUNDS {
            let (mut der, mut key, mut above) = (der.clone(), key.clone(), above.clone());
            let text = match numbers.below(4) {
                // Half of it below the PEM, where the structure is.
                0 => {
                    change(&mut key, &mut numbers);
                    whole(&der, &key, &above).into_bytes()
                }
                1 => {
                    change(&mut der, &mut numbers);
                    whole(&der, &key, &above).into_bytes()
                }
                2 => {
                    change(&mut above, &mut numbers);
                    whole(&der, &key, &above).into_bytes()
                }
                _ => {
                    let mut text = whole(&der, &key, &above).into_bytes();
                    change(&mut text, &mut numbers);
                    text
                }
            };
            let told = read_certificates(folder.path(), &text);
            served += usize::from(told.starts_with("LoadedCertificate"));
            assert!(!told.trim().is_empty());
        }
        // Both ends are reached: what is only about the issuer is served, the rest is told.
        assert!((ROUNDS / 100..ROUNDS).contains(&served), "{served}");
    }
}
