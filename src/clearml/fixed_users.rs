//! ClearML's fixed users: what their passwords look like, and what is wrong with a list of them.
//!
//! Owns: the rules of `auth.fixed_users` in `apiserver.conf`. Leaves: reading the file to `config`.
//!
//! Source: clearml-server `apiserver/service_repo/auth/fixed_user.py`: every entry is passed on as keyword arguments, so
//! an unknown or a missing field stops the server, as does a user name that is there twice.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bcrypt::HashParts;
use std::str::FromStr;

/// The fields that an entry must have.
pub const REQUIRED_FIELDS: [&str; 3] = ["username", "password", "name"];

/// The fields that an entry may have; any other stops the server.
pub const KNOWN_FIELDS: [&str; 5] = ["username", "password", "name", "company", "is_guest"];

/// The least cost of a hash that is not called cheap: OWASP's Password Storage Cheat Sheet asks for 10.
const COST_MIN: u32 = 10;

/// The most bytes of a password that bcrypt takes into account; Python's `bcrypt` refuses more since version 5.
pub const PASSWORD_BYTES_MAX: usize = 72;

/// Passwords that ClearML's documentation shows, and that are therefore known.
const DOCUMENTED: [&str; 3] =
    ["12345678", "123456", "JDJiJDEyJDk3OHBFcHFlNEsxTkFoZDlPcGZsbC5sU1pmM3huZ1RpeHc0ay5WUjlzTzN5WE1WRXJrUmhp"];

/// What stands in a `password` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordForm {
    /// Base64 of a bcrypt hash, as `pass_hashed: true` wants it.
    Hash {
        /// The work factor: 2 to this power rounds.
        cost: u32,
    },
    /// The same with Python's `b'...'` around it, as the documented command prints it.
    Literal {
        /// What belongs there instead.
        inner: String,
    },
    /// A bcrypt hash without the base64 around it.
    Bare,
    /// Anything else: a plain password.
    Plain,
}

/// What a `password` field holds.
#[must_use]
pub fn password_form(text: &str) -> PasswordForm {
    if let Some(cost) = cost_of(text) {
        return PasswordForm::Hash { cost };
    }
    let quoted = |quote| text.strip_prefix('b')?.strip_prefix(quote)?.strip_suffix(quote);
    match quoted('\'').or_else(|| quoted('"')) {
        Some(inner) if cost_of(inner).is_some() => PasswordForm::Literal { inner: inner.to_owned() },
        _ if HashParts::from_str(text).is_ok() => PasswordForm::Bare,
        _ => PasswordForm::Plain,
    }
}

/// The bcrypt hash inside a `password` field, in its own form (`$2b$12$...`).
#[must_use]
pub fn bcrypt_hash(text: &str) -> Option<String> {
    let text = match password_form(text) {
        PasswordForm::Hash { .. } => text.to_owned(),
        PasswordForm::Literal { inner } => inner,
        PasswordForm::Bare => return Some(text.to_owned()),
        PasswordForm::Plain => return None,
    };
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// A bcrypt hash as ClearML's files hold it.
#[must_use]
pub fn password_field(hash: &str) -> String {
    STANDARD.encode(hash)
}

fn cost_of(text: &str) -> Option<u32> {
    let hash = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    HashParts::from_str(&hash).ok().map(|parts| parts.get_cost())
}

/// Something wrong with the `password` of one user: how bad, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordFinding {
    /// Whether the user cannot sign in; otherwise it works, and somebody should look.
    pub fatal: bool,
    /// What is wrong.
    pub message: &'static str,
    /// What to do about it.
    pub hint: String,
}

/// What is wrong with a `password` field where `pass_hashed` is as given; nothing for most. The password is never shown.
#[must_use]
pub fn password_findings(text: &str, pass_hashed: bool) -> Vec<PasswordFinding> {
    let finding = |fatal, message, hint: &str| PasswordFinding { fatal, message, hint: hint.to_owned() };
    let mut found = Vec::new();
    match (password_form(text), pass_hashed) {
        (PasswordForm::Hash { cost }, true) if cost < COST_MIN => found.push(PasswordFinding {
            hint: format!("its cost is {cost}, which is cheap to guess; hash it again with `clearway hash-password`"),
            ..finding(false, "the password's hash is weak", "")
        }),
        (PasswordForm::Hash { .. }, true) => {}
        (PasswordForm::Literal { .. }, true) => found.push(finding(
            true,
            "the password still has Python's b'...' around it; nobody can sign in with it",
            "keep what stands between the quotes only",
        )),
        (PasswordForm::Bare, true) => found.push(finding(
            true,
            "the password is a bcrypt hash without base64; nobody can sign in with it",
            "write it as `clearway hash-password` prints it",
        )),
        (PasswordForm::Plain, true) => found.push(finding(
            true,
            "the password is no bcrypt hash in base64, but pass_hashed is true; nobody can sign in with it",
            "hash it with `clearway hash-password`, or set pass_hashed: false",
        )),
        (PasswordForm::Plain, false) => found.push(finding(
            false,
            "the password stands in the file as it is",
            "hash every password with `clearway hash-password` and set pass_hashed: true",
        )),
        (_, false) => found.push(finding(
            true,
            "the password looks like a hash, but pass_hashed is false: the hash itself is the password",
            "set pass_hashed: true; it holds for all users",
        )),
    }
    if DOCUMENTED.contains(&text) {
        found.push(finding(
            false,
            "the password is the example of ClearML's documentation; everybody knows it",
            "choose another one and hash it with `clearway hash-password`",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Base64 of a bcrypt hash, from ClearML's documentation: `123456`.
    const DOCUMENTED_HASH: &str = DOCUMENTED[2];

    #[test]
    fn forms_are_told_apart() {
        let bare = bcrypt_hash(DOCUMENTED_HASH).unwrap();
        assert!(bare.starts_with("$2b$12$"));
        for (text, form) in [
            (DOCUMENTED_HASH.to_owned(), PasswordForm::Hash { cost: 12 }),
            (format!("b'{DOCUMENTED_HASH}'"), PasswordForm::Literal { inner: DOCUMENTED_HASH.to_owned() }),
            (format!("b\"{DOCUMENTED_HASH}\""), PasswordForm::Literal { inner: DOCUMENTED_HASH.to_owned() }),
            (bare.clone(), PasswordForm::Bare),
            (String::from("12345678"), PasswordForm::Plain),
            (String::from("b'12345678'"), PasswordForm::Plain),
            (String::new(), PasswordForm::Plain),
            (String::from("JDJiJDEy"), PasswordForm::Plain),
        ] {
            assert_eq!(password_form(&text), form, "{text}");
        }
        assert_eq!(bcrypt_hash(&format!("b'{DOCUMENTED_HASH}'")), Some(bare.clone()));
        assert_eq!(password_field(&bare), DOCUMENTED_HASH);
        assert_eq!(bcrypt_hash("secret"), None);
    }

    #[test]
    fn findings_fit_the_form_and_the_switch() {
        let bare = bcrypt_hash(DOCUMENTED_HASH).unwrap();
        let cheap = password_field(&bare.replace("$12$", "$04$"));
        let good = password_field(&bare.replace("$978p", "$978q"));
        for (text, hashed, fatal) in [
            (good.as_str(), true, vec![]),
            (good.as_str(), false, vec![true]),
            (DOCUMENTED_HASH, true, vec![false]),
            ("long and secret", false, vec![false]),
            ("long and secret", true, vec![true]),
            ("12345678", false, vec![false, false]),
            (bare.as_str(), true, vec![true]),
            (cheap.as_str(), true, vec![false]),
            ("", true, vec![true]),
        ] {
            let found = password_findings(text, hashed);
            assert_eq!(found.iter().map(|finding| finding.fatal).collect::<Vec<_>>(), fatal, "{text} {hashed}");
            assert!(found.iter().all(|finding| !finding.hint.is_empty()));
        }
    }
}
