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

    /// As a unified diff, secrets hidden; of a file that is not there yet, all of it.
    fn diff(&self) -> String {
        let name = self.file.display().to_string();
        let old = if self.before.is_some() { name.as_str() } else { "/dev/null" };
        let diff = TextDiff::from_lines(self.before.as_deref().unwrap_or_default(), &self.text);
        let text = diff.unified_diff().context_radius(3).header(old, &name).to_string();
        text.split_inclusive('\n').map(hidden).collect()
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

/// Parts of the names whose values nobody should see over a shoulder or in a log.
const SECRET: [&str; 4] = ["password", "secret", "token", "access_key"];

/// What stands for such a value.
const HIDDEN: &str = "(hidden)";

/// A line of HOCON, JSON or YAML with the values of such names hidden; sections are no values.
fn hidden(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find([':', '=']) {
        let (name, value) = rest.split_at(at + 1);
        shown.push_str(name);
        let blank = value.len() - value.trim_start_matches([' ', '\t']).len();
        let (blank, value) = value.split_at(blank);
        shown.push_str(blank);
        rest = value;
        if is_secret(name) && !value.trim_end().is_empty() && !value.starts_with(['{', '$']) {
            shown.push_str(HIDDEN);
            rest = value.split_at(end_of_value(value)).1;
        }
    }
    shown + rest
}

/// Whether the name before a colon or an equals sign is that of a secret.
fn is_secret(before: &str) -> bool {
    let name = before.trim_end_matches([':', '=', ' ', '\t', '"', '\'']);
    let begin = name.rfind(|c: char| !(c.is_alphanumeric() || "_-".contains(c))).map_or(0, |at| at + 1);
    let name = name.get(begin..).unwrap_or(name).to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// Where a value ends: behind its quotes or list, else before what separates it from the next.
fn end_of_value(value: &str) -> usize {
    let end = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.get(1..).and_then(|inner| inner.find(quote)).map(|at| at + 2),
        Some('[') => value.find(']').map(|at| at + 1),
        _ => value.find([',', '}', ']', '#', '\n']),
    };
    end.unwrap_or_else(|| value.trim_end().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_in_what_is_shown() {
        for (line, shown) in [
            (
                "-  api { credentials { \"access_key\" = \"AK\", \"secret_key\" = \"S K\" } }\n",
                "-  api { credentials { \"access_key\" = (hidden), \"secret_key\" = (hidden) } }\n",
            ),
            (
                " users: [ { username: a, password: plain, name: A } ]\n",
                " users: [ { username: a, password: (hidden), name: A } ]\n",
            ),
            ("+password: \"a:b=c\" # why\n", "+password: (hidden) # why\n"),
            ("+password: \"never closed\n", "+password: (hidden)\n"),
            (" auth.token_secret: [\"a\", \"b\"]\n", " auth.token_secret: (hidden)\n"),
            (" CLEARML_API_SECRET_KEY=x\n", " CLEARML_API_SECRET_KEY=(hidden)\n"),
            (" protection.token_gate.enabled: true\n", " protection.token_gate.enabled: true\n"),
            (" token_gate { enabled: true }\n", " token_gate { enabled: true }\n"),
            (" token_gate: { enabled: true }\n", " token_gate: { enabled: true }\n"),
            (" token: ${TOKEN}\n", " token: ${TOKEN}\n"),
            ("+domain: \"a.test\"\n", "+domain: \"a.test\"\n"),
            ("+    domain: \".clearml.test\"\n", "+    domain: \".clearml.test\"\n"),
            (" password:\n", " password:\n"),
            ("@@ -1 +1 @@\n", "@@ -1 +1 @@\n"),
        ] {
            assert_eq!(hidden(line), shown);
        }
    }
}
