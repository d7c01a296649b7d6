//! What must not be read by whoever reads the logs: secrets as values, and secrets in a request's query.
//!
//! Header fields need no rule here: the access log writes `Host`, `User-Agent` and the request id and no other, so
//! `Authorization`, `Cookie` and `Set-Cookie` never reach it. Rather too much is hidden than too little.

use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroize;

/// What stands in a log for anything hidden.
pub(super) const HIDDEN: &str = "***";

/// A value that cannot be printed and is overwritten when dropped.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Zeroize> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How a word of `RULES` must stand in a parameter's name.
#[derive(Clone, Copy)]
enum Place {
    /// Anywhere.
    Anywhere,
    /// Between ends, or characters that are neither letters nor digits.
    Word,
    /// At the end.
    End,
}

/// Parameters whose values are hidden; names are compared in lower case, percent-decoded.
///
/// Signed storage URLs are meant by `signature`, `credential`, `token`, `sig` and `accesskey`.
const RULES: &[(Place, &[u8])] = &[
    (Place::Anywhere, b"token"),
    (Place::Anywhere, b"secret"),
    (Place::Anywhere, b"passw"),
    (Place::Anywhere, b"passphrase"),
    (Place::Anywhere, b"signature"),
    (Place::Anywhere, b"credential"),
    (Place::Anywhere, b"authorization"),
    (Place::Anywhere, b"accesskey"),
    (Place::Anywhere, b"apikey"),
    (Place::Anywhere, b"cookie"),
    (Place::Anywhere, b"sessionid"),
    (Place::Anywhere, b"jwt"),
    (Place::End, b"key"),
    (Place::End, b"auth"),
    (Place::Word, b"key"),
    (Place::Word, b"auth"),
    (Place::Word, b"oauth"),
    (Place::Word, b"sig"),
    (Place::Word, b"pass"),
    (Place::Word, b"pwd"),
    (Place::Word, b"code"),
    (Place::Word, b"otp"),
    (Place::Word, b"sid"),
    (Place::Word, b"session"),
];

/// Longer names are hidden unread: no honest parameter has one, and the comparison needs no allocation.
const NAME_BYTES_MAX: usize = 128;

/// `path_and_query` with the values of secret parameters replaced; borrowed where nothing had to be.
#[must_use]
pub fn redact_query(path_and_query: &str) -> Cow<'_, str> {
    if !path_and_query.contains('?') {
        return Cow::Borrowed(path_and_query);
    }
    let mut text = String::with_capacity(path_and_query.len());
    redacted(path_and_query, |piece| text.push_str(piece));
    if text == path_and_query { Cow::Borrowed(path_and_query) } else { Cow::Owned(text) }
}

/// Gives `emit` the pieces of `path_and_query` in order, `***` in place of each hidden value. Allocates nothing.
pub(super) fn redacted<'a>(path_and_query: &'a str, mut emit: impl FnMut(&'a str)) {
    let Some(question) = path_and_query.find('?') else {
        return emit(path_and_query);
    };
    let (path, query) = path_and_query.split_at(question + 1);
    emit(path);
    for parameter in query.split_inclusive(['&', ';']) {
        let end = parameter.trim_end_matches(['&', ';']).len();
        let (pair, separator) = parameter.split_at(end);
        match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret(name, value) => {
                emit(name);
                emit("=");
                emit(HIDDEN);
                emit(separator);
            }
            _ => emit(parameter),
        }
    }
}

/// The part of a `Host` field that may be logged, and whether user information stood before it.
pub(super) fn without_user(host: &[u8]) -> (bool, &[u8]) {
    match memchr::memrchr(b'@', host) {
        None => (false, host),
        Some(at) => (true, host.get(at + 1..).unwrap_or_default()),
    }
}

fn is_secret(name: &str, value: &str) -> bool {
    // A URL inside a value carries its own parameters: `redirect=%2Fx%3Ftoken%3Dabc`.
    names_secret(name) || (carries_parameters(value) && carries_word(value))
}

fn carries_parameters(value: &str) -> bool {
    value.contains('=') || value.contains("%3D") || value.contains("%3d")
}

fn names_secret(name: &str) -> bool {
    let mut decoded = [0_u8; NAME_BYTES_MAX];
    let Some(name) = decode(name.as_bytes(), &mut decoded) else { return true };
    RULES.iter().any(|(place, word)| match place {
        Place::Anywhere => memchr::memmem::find(name, word).is_some(),
        Place::End => name.ends_with(word),
        Place::Word => name.split(|byte| !byte.is_ascii_alphanumeric()).any(|part| part == *word),
    })
}

/// Whether any word of `RULES` stands in `value`, which can be long: compared without decoding.
fn carries_word(value: &str) -> bool {
    RULES.iter().any(|(_, word)| value.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// `name` percent-decoded and in lower case, inside `into`; `None` where it does not fit.
fn decode<'a>(name: &[u8], into: &'a mut [u8; NAME_BYTES_MAX]) -> Option<&'a [u8]> {
    let mut rest = name;
    let mut length = 0;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => hex(*high, *low).map_or((first, rest.get(1..)?), |byte| (byte, tail)),
            _ => (first, tail),
        };
        *into.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
        rest = tail;
    }
    into.get(..length)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_print_as_stars() {
        let secret = Secret::new(String::from("hunter2"));
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn hides_the_values_of_secret_parameters() {
        for (given, logged) in [
            ("/a?token=abc", "/a?token=***"),
            ("/a?x=1&Token=abc&y=2", "/a?x=1&Token=***&y=2"),
            ("/a?password=p;secret_key=s", "/a?password=***;secret_key=***"),
            ("/a?key=k&access_key=k&apiKey=k&monkeys=3", "/a?key=***&access_key=***&apiKey=***&monkeys=3"),
            ("/a?auth=x&oauth_verifier=y&author=z", "/a?auth=***&oauth_verifier=***&author=z"),
            ("/a?sig=x&signal=y&sv=2020", "/a?sig=***&signal=y&sv=2020"),
            (
                "/b/o?X-Amz-Algorithm=A&X-Amz-Credential=c%2Fd&X-Amz-Date=20260101T000000Z&X-Amz-Signature=ff&\
                 X-Amz-Security-Token=t",
                "/b/o?X-Amz-Algorithm=A&X-Amz-Credential=***&X-Amz-Date=20260101T000000Z&X-Amz-Signature=***&\
                 X-Amz-Security-Token=***",
            ),
            ("/a?%74oken=abc", "/a?%74oken=***"),
            ("/a?auth%5Btoken%5D=abc", "/a?auth%5Btoken%5D=***"),
            ("/login?redirect=%2Fx%3Ftoken%3Dabc", "/login?redirect=***"),
            ("/login?redirect=%2Fx%3Fpage%3D2", "/login?redirect=%2Fx%3Fpage%3D2"),
            ("/a?token=a?token=b", "/a?token=***"),
            ("/a?token=a=b", "/a?token=***"),
            ("/a?code=4%2F0A&state=x", "/a?code=***&state=x"),
        ] {
            assert_eq!(redact_query(given), logged, "{given}");
        }
    }

    #[test]
    fn leaves_everything_else_as_it_is() {
        for given in
            ["/token=abc", "/", "*", "", "/a?", "/a?token", "/a?token=", "/a?&&=&", "/a?x=%", "/a?x=%4", "/é?x=é"]
        {
            assert!(matches!(redact_query(given), Cow::Borrowed(text) if text == given), "{given}");
        }
    }

    #[test]
    fn a_name_too_long_to_read_is_hidden() {
        let given = format!("/a?{}=v", "x".repeat(NAME_BYTES_MAX + 1));
        assert!(redact_query(&given).ends_with("=***"));
        let given = format!("/a?{}=v", "x".repeat(NAME_BYTES_MAX));
        assert!(redact_query(&given).ends_with("=v"));
    }

    #[test]
    fn user_information_is_cut_from_hosts() {
        assert_eq!(without_user(b"app.x:443"), (false, b"app.x:443".as_slice()));
        assert_eq!(without_user(b"u:p@a@app.x"), (true, b"app.x".as_slice()));
    }

    proptest::proptest! {
        #[test]
        fn a_secret_never_survives(before in "[a-z=&;%?]{0,12}", after in "[a-z=&;%?]{0,12}") {
            let given = format!("/p?{before}&token=S3CR3T&{after}");
            proptest::prop_assert!(!redact_query(&given).contains("S3CR3T"), "{}", given);
        }
    }
}
