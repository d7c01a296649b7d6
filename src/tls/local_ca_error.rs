//! Why there is no local certificate, and what to do about it.

use super::load_error::LoadError;
use super::signer::SignerError;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use time::OffsetDateTime;

/// Why there is no local certificate. Its message names the file, its `hint` what to do.
#[derive(Debug)]
pub struct LocalCaError {
    pub(super) file: PathBuf,
    pub(super) problem: LocalCaProblem,
}

/// What went wrong.
#[derive(Debug)]
pub enum LocalCaProblem {
    /// The folder or a file in it cannot be written.
    Unwritable(io::Error),
    /// The lock cannot be taken.
    Unlockable(io::Error),
    /// The authority's key cannot be read.
    KeyUnreadable(io::Error),
    /// The authority's key is no key.
    KeyBroken(rcgen::Error),
    /// The authority's key is gone, and a new leaf is due.
    KeyMissing,
    /// The authority's certificate cannot be used, or the leaf just made cannot.
    Certificate(LoadError),
    /// The authority's certificate is not the one that was made here with this key for these names.
    Foreign,
    /// The authority's time has not begun.
    NotYetValid(SystemTime),
    /// No key or certificate could be made.
    Generation(rcgen::Error),
    /// The authority that is configured cannot sign.
    Signer(Box<SignerError>),
}

impl LocalCaError {
    /// The file or folder with the problem.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The problem.
    #[must_use]
    pub const fn problem(&self) -> &LocalCaProblem {
        &self.problem
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.problem {
            LocalCaProblem::Unwritable(_) | LocalCaProblem::Unlockable(_) => String::from(
                "make the folder writable for the user that runs this program, set `certificate_folder` to another, \
                 or name your own `certificates`",
            ),
            LocalCaProblem::KeyUnreadable(_) => String::from("let the user that runs this program read the file"),
            LocalCaProblem::KeyBroken(_) | LocalCaProblem::KeyMissing | LocalCaProblem::Foreign => {
                let folder = self.file.parent().unwrap_or(&self.file).display();
                format!(
                    "bring back the file that was there, or move {folder} away: a new authority is then made, \
                     which clients must be given anew"
                )
            }
            LocalCaProblem::Certificate(error) => error.hint(),
            LocalCaProblem::Signer(error) => error.hint(),
            LocalCaProblem::NotYetValid(_) => String::from("check this machine's clock"),
            LocalCaProblem::Generation(_) => String::from("name your own `certificates`"),
        }
    }
}

impl fmt::Display for LocalCaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            LocalCaProblem::Signer(error) => return error.fmt(f),
            LocalCaProblem::Unwritable(_) => f.write_str("local certificates cannot be written")?,
            LocalCaProblem::Unlockable(_) => f.write_str("lock of the local certificates cannot be taken")?,
            LocalCaProblem::KeyUnreadable(_) => f.write_str("local CA's key cannot be read")?,
            LocalCaProblem::KeyBroken(_) => f.write_str("local CA's key is broken")?,
            LocalCaProblem::KeyMissing => f.write_str("local CA's key is missing")?,
            LocalCaProblem::Certificate(_) => f.write_str("local certificate cannot be used")?,
            LocalCaProblem::Foreign => f.write_str("local CA's certificate was not made here with this key")?,
            LocalCaProblem::NotYetValid(at) => {
                write!(f, "local CA is not valid before {}", OffsetDateTime::from(*at).date())?;
            }
            LocalCaProblem::Generation(_) => f.write_str("local certificate cannot be made")?,
        }
        write!(f, ": {}", self.file.display())
    }
}

impl Error for LocalCaError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.problem {
            LocalCaProblem::Unwritable(error)
            | LocalCaProblem::Unlockable(error)
            | LocalCaProblem::KeyUnreadable(error) => Some(error),
            LocalCaProblem::KeyBroken(error) | LocalCaProblem::Generation(error) => Some(error),
            LocalCaProblem::Certificate(error) => Some(error),
            LocalCaProblem::Signer(error) => error.source(),
            LocalCaProblem::KeyMissing | LocalCaProblem::Foreign | LocalCaProblem::NotYetValid(_) => None,
        }
    }
}

impl LocalCaError {
    pub(super) fn of(file: &Path, problem: LocalCaProblem) -> Self {
        Self { file: file.to_owned(), problem }
    }

    /// Whether what is there may go on being served: nothing is wrong with it, it only cannot be replaced.
    pub(super) const fn spares_the_leaf(&self) -> bool {
        use LocalCaProblem::{KeyMissing, KeyUnreadable, Unlockable, Unwritable};
        matches!(self.problem, KeyMissing | KeyUnreadable(_) | Unlockable(_) | Unwritable(_))
    }

    /// It with its cause, in one line.
    pub(super) fn told(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |cause| format!("{self}: {cause}"))
    }
}
