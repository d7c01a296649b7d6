//! Token: what the admin listener demands, from a file.

use crate::runtime::open_file;
use crate::telemetry::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Fewer could be guessed.
const CHARACTERS_MIN: usize = 16;

/// Bytes of the file.
const FILE_SIZE_MAX: u64 = 4_096;

/// A token; never printed.
#[derive(Debug)]
pub struct Token(Secret<Vec<u8>>);

/// Why there is none.
#[derive(Debug)]
pub enum TokenError {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// What is in it is no token.
    Unfit(PathBuf),
}

impl TokenError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Read(..) => "let this user read the file named by admin.token_file",
            Self::Unfit(_) => "put one line of 16 or more printable characters in it: `openssl rand -hex 32`",
        }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        match self {
            Self::Read(file, _) | Self::Unfit(file) => file,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(file, error) => write!(f, "cannot read the admin token {}: {error}", file.display()),
            Self::Unfit(file) => write!(f, "{} holds no admin token", file.display()),
        }
    }
}

impl std::error::Error for TokenError {}

impl Token {
    /// The token in `file`; space around it does not count.
    ///
    /// # Errors
    /// `TokenError`.
    pub fn load(file: &Path) -> Result<Self, TokenError> {
        let text = read(file).map_err(|error| TokenError::Read(file.to_owned(), error))?;
        let token = text.trim();
        let fits = token.len() >= CHARACTERS_MIN && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self::new(token)) } else { Err(TokenError::Unfit(file.to_owned())) }
    }

    pub(super) fn new(token: &str) -> Self {
        Self(Secret::new(token.as_bytes().to_vec()))
    }

    /// Whether `given` is it; how long that takes tells nothing but its length.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        verify_slices_are_equal(self.0.reveal(), given).is_ok()
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = open_file(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let mode = format!("{mode:04o}");
        tracing::warn!(file = %path.display(), mode, "the admin token is open to everybody here; chmod 600 the file");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_SIZE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_long_word() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        for (text, fits) in [
            ("0123456789abcdef\n", true),
            ("  0123456789abcdef  ", true),
            ("0123456789abcde", false),
            ("0123456789abcdef 0123456789abcdef", false),
            ("", false),
        ] {
            std::fs::write(&file, text).unwrap();
            let loaded = Token::load(&file);
            assert_eq!(loaded.is_ok(), fits, "{text:?}");
            assert!(loaded.is_err() || loaded.unwrap().is(b"0123456789abcdef"));
        }
        assert!(matches!(Token::load(&folder.path().join("none")), Err(TokenError::Read(..))));
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        assert!(matches!(Token::load(&pipe), Err(TokenError::Read(..))), "and no wait");
    }

    #[test]
    fn only_the_whole_token_is_it_and_it_is_not_printed() {
        let token = Token::new("0123456789abcdef");
        for given in [&b"0123456789abcdee"[..], b"0123456789abcde", b"0123456789abcdef0", b""] {
            assert!(!token.is(given));
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
    }
}
