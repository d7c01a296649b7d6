//! The key that signs updates, as the programs that make such keys write it.

use crate::runtime::open_file;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::rdata::tsig::TsigAlgorithm;
use hickory_proto::rr::{Name, TSigner};
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of the file.
const FILE_MAX: u64 = 64 * 1024;

/// Seconds by which clocks may differ. Source: RFC 8945 section 10.
const FUDGE: u16 = 300;

/// Why there is no key.
#[derive(Debug)]
pub(in super::super) enum KeyError {
    Unreadable(io::Error),
    NoKey,
    Name,
    Algorithm(String),
    Secret,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "it cannot be read: {error}"),
            Self::NoKey => f.write_str("there is no `key \"name\" { algorithm ...; secret \"...\"; };` in it"),
            Self::Name => f.write_str("its name is no name of the DNS"),
            Self::Algorithm(name) => {
                write!(f, "{} is not supported; hmac-sha256, hmac-sha384 and hmac-sha512 are", name.escape_debug())
            }
            Self::Secret => f.write_str("its secret is no base64"),
        }
    }
}

/// Loads the key in `file`.
pub(super) fn load(file: &Path) -> Result<TSigner, KeyError> {
    let mut bytes = Zeroizing::new(Vec::new());
    open_file(file).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)).map_err(KeyError::Unreadable)?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// Reads `key "name" { algorithm ...; secret "..."; };`, or `algorithm:name:secret` alone in a line.
pub(super) fn parse(text: &str) -> Result<TSigner, KeyError> {
    let words = words(text);
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    let line = || {
        text.lines()
            .map(str::trim)
            .find(|line| line.split(':').count() == 3)?
            .split(':')
            .collect::<Vec<_>>()
            .try_into()
            .ok()
    };
    let (name, algorithm, secret) = match words.iter().position(|word| *word == "key") {
        Some(at) => {
            let after = words.get(at + 1..).unwrap_or_default();
            let block = after.iter().position(|word| *word == "}").and_then(|end| after.get(..end)).unwrap_or(after);
            let value =
                |key: &str| block.iter().position(|word| *word == key).and_then(|at| block.get(at + 1).copied());
            let name = block.first().copied().filter(|name| *name != "{");
            (
                name.ok_or(KeyError::NoKey)?,
                value("algorithm").ok_or(KeyError::NoKey)?,
                value("secret").ok_or(KeyError::NoKey)?,
            )
        }
        None => {
            let [algorithm, name, secret]: [&str; 3] = line().ok_or(KeyError::NoKey)?;
            (name, algorithm, secret)
        }
    };
    let name = Name::from_ascii(name).map_err(|_| KeyError::Name)?;
    let algorithm = match algorithm.trim_end_matches('.').to_ascii_lowercase().as_str() {
        "hmac-sha256" => TsigAlgorithm::HmacSha256,
        "hmac-sha384" => TsigAlgorithm::HmacSha384,
        "hmac-sha512" => TsigAlgorithm::HmacSha512,
        other => return Err(KeyError::Algorithm(other.to_owned())),
    };
    let secret = STANDARD.decode(secret).map_err(|_| KeyError::Secret)?;
    TSigner::new(secret, algorithm, name, FUDGE).map_err(|_| KeyError::Secret)
}

/// The words and braces of a configuration of BIND's, without its comments.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for line in text.lines() {
        let spaced = uncommented(line).replace('{', " { ").replace('}', " } ").replace([';', '"'], " ");
        words.extend(spaced.split_whitespace().map(str::to_owned));
    }
    words
}

/// `line` without a comment at its end. Two slashes may also stand inside a secret.
fn uncommented(line: &str) -> &str {
    let begins = |at: &usize| {
        let before = line.get(..*at).and_then(|before| before.chars().next_back());
        before.is_none_or(|before| before.is_whitespace() || matches!(before, ';' | '{' | '}'))
    };
    let slashes = line.match_indices("//").map(|(at, _)| at).find(begins);
    let end = line.find('#').into_iter().chain(slashes).min();
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_as_programs_write_them() {
        let bind =
            "// made by hand\nkey \"acme.example\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2Vj//JldA==\";\n};\n";
        for (text, name, algorithm) in [
            (bind, "acme.example.", TsigAlgorithm::HmacSha256),
            ("key k{algorithm HMAC-SHA512.;secret c2Vj//JldA==;}; # x", "k.", TsigAlgorithm::HmacSha512),
            ("key k { secret \"c2Vj//JldA==\"; algorithm hmac-sha384; };", "k.", TsigAlgorithm::HmacSha384),
            ("hmac-sha256:a.b:c2Vj//JldA==\n", "a.b.", TsigAlgorithm::HmacSha256),
        ] {
            let key = parse(text).map_err(|error| error.to_string()).unwrap();
            assert_eq!((key.signer_name().to_string().as_str(), key.algorithm()), (name, &algorithm), "{text}");
            assert_eq!(key.key(), STANDARD.decode("c2Vj//JldA==").unwrap());
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(key|k|\\{|\\}|;|\"|:|#|//|algorithm|secret|hmac-sha256|AAAA|\\PC| |\n){0,24}") {
            // Whatever it is, it is one or the other.
            drop(parse(&text).map_err(|error| error.to_string()));
        }
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        for (text, error) in [
            ("", "there is no"),
            ("key", "there is no"),
            ("key {", "there is no"),
            ("key \"k\" { algorithm hmac-sha256; };", "there is no"),
            ("key \"k\" { algorithm hmac-md5; secret \"AAAA\"; };", "hmac-md5 is not supported"),
            ("key \"k\" { algorithm hmac-sha256; secret \"?\"; };", "its secret is no base64"),
            ("key \"a..b\" { algorithm hmac-sha256; secret \"AAAA\"; };", "its name is no name"),
            ("hmac-sha1:k:AAAA", "hmac-sha1 is not supported"),
        ] {
            let told = parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(told.starts_with(error), "{text}: {told}");
        }
    }
}
