//! `clearway hash-password`: a password to what ClearML's `fixed_users` takes with `pass_hashed: true`.
//!
//! The same form as `base64.b64encode(bcrypt.hashpw(...))` in Python, both ways: hashes of either are read by the other.

use super::args::HashPasswordArgs;
use super::output;
use crate::clearml::{PASSWORD_BYTES_MAX, bcrypt_hash, password_field};
use std::fmt;
use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Why there is no hash.
#[derive(Debug)]
enum PasswordError {
    Read(io::Error),
    Different,
    Empty,
    Long(usize),
    Zero,
    NoHash,
    Hash(bcrypt::BcryptError),
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "the password cannot be read: {error}"),
            Self::Different => f.write_str("the two passwords differ"),
            Self::Empty => f.write_str("the password is empty"),
            Self::Long(bytes) => {
                write!(f, "the password has {bytes} bytes; bcrypt takes at most {PASSWORD_BYTES_MAX}")
            }
            Self::Zero => f.write_str("the password has a zero byte, at which bcrypt would end it"),
            Self::NoHash => f.write_str("the value of --verify is no bcrypt hash, with or without base64"),
            Self::Hash(error) => write!(f, "the password cannot be hashed: {error}"),
        }
    }
}

/// Hashes a password, or compares it to a hash.
pub(super) fn hash_password(args: &HashPasswordArgs) -> ExitCode {
    let outcome = match &args.verify {
        Some(field) => verify(field),
        None => hash(args.cost).map(|field| {
            output::data(&field);
            true
        }),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::note(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn hash(cost: u32) -> Result<String, PasswordError> {
    let password = read(true)?;
    let hash = bcrypt::hash(password.as_bytes(), cost).map_err(PasswordError::Hash)?;
    Ok(password_field(&hash))
}

fn verify(field: &str) -> Result<bool, PasswordError> {
    let hash = bcrypt_hash(field.trim()).ok_or(PasswordError::NoHash)?;
    let password = read(false)?;
    let matches = bcrypt::verify(password.as_bytes(), &hash).map_err(PasswordError::Hash)?;
    output::data(if matches { "the password fits the hash" } else { "the password does not fit the hash" });
    Ok(matches)
}

/// The password: typed without being shown, twice where it is new; or the first line of a pipe.
fn read(new: bool) -> Result<Zeroizing<String>, PasswordError> {
    let password = if io::stdin().is_terminal() { typed(new)? } else { piped()? };
    match password.len() {
        0 => Err(PasswordError::Empty),
        bytes if bytes > PASSWORD_BYTES_MAX => Err(PasswordError::Long(bytes)),
        _ if password.contains('\0') => Err(PasswordError::Zero),
        _ => Ok(password),
    }
}

fn typed(new: bool) -> Result<Zeroizing<String>, PasswordError> {
    let ask = |prompt| rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(PasswordError::Read);
    let password = ask("Password: ")?;
    if new && *ask("Again: ")? != *password {
        return Err(PasswordError::Different);
    }
    Ok(password)
}

fn piped() -> Result<Zeroizing<String>, PasswordError> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line).map_err(PasswordError::Read)?;
    let end = line.trim_end_matches('\n').trim_end_matches('\r').len();
    line.truncate(end);
    Ok(line)
}
