//! Files that a command writes: shown before they change anything, never without being asked for.

use super::output;
use crate::tls::replace_file;
use similar::TextDiff;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One file, and what it is to say.
#[derive(Debug)]
pub(super) struct Change {
    file: PathBuf,
    text: String,
    /// What it says now; none where it is not there.
    before: Option<String>,
}

/// What became of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// They say what they should.
    All,
    /// Nothing was touched: there is nobody to ask, or who was asked said no.
    Nothing,
}

impl Change {
    /// `text` for `file`.
    ///
    /// # Errors
    /// The operating system's, where there is a file that cannot be read.
    pub(super) fn new(file: PathBuf, text: String) -> io::Result<Self> {
        let before = match fs::read(&file) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", file.display()))),
        };
        Ok(Self { file, text, before })
    }

    fn changes_a_file(&self) -> bool {
        self.before.as_ref().is_some_and(|before| *before != self.text)
    }

    /// As a unified diff; of a file that is not there yet, all of it.
    fn diff(&self) -> String {
        let name = self.file.display().to_string();
        let old = if self.before.is_some() { name.as_str() } else { "/dev/null" };
        let diff = TextDiff::from_lines(self.before.as_deref().unwrap_or_default(), &self.text);
        diff.unified_diff().context_radius(3).header(old, &name).to_string()
    }

    fn write(&self) -> io::Result<()> {
        // What others may not read stays so.
        let mode = fs::metadata(&self.file).map_or(0o644, |about| about.permissions().mode() & 0o777);
        replace_file(&self.file, &self.text, mode)
    }
}

/// Shows what changes, asks where it has to, and writes all or nothing.
///
/// # Errors
/// The operating system's; files before the one that failed are written then.
pub(super) fn write(folder: &Path, changes: &[Change], dry_run: bool, yes: bool) -> io::Result<Written> {
    for change in changes {
        match &change.before {
            Some(before) if *before == change.text => output::note(&format!("unchanged: {}", change.file.display())),
            Some(_) => output::data(change.diff().trim_end()),
            None if dry_run => output::data(change.diff().trim_end()),
            None => output::note(&format!("new: {}", change.file.display())),
        }
    }
    if dry_run {
        return Ok(Written::Nothing);
    }
    if changes.iter().any(Change::changes_a_file) && !yes && !agreed() {
        return Ok(Written::Nothing);
    }
    fs::create_dir_all(folder)?;
    for change in changes.iter().filter(|change| change.before.as_ref() != Some(&change.text)) {
        change.write()?;
    }
    Ok(Written::All)
}

fn agreed() -> bool {
    let answer = if output::can_ask() { output::ask("change these files? [y/N]") } else { None };
    answer.is_some_and(|answer| matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}
