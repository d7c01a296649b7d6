//! What must not be read by whoever reads the logs: secrets as values, and secrets in a request's query.
//!
//! Other header fields need no rule here: the access log writes `Host`, `User-Agent`, the request id, ClearML's worker and
//! client, and the query's rule is also that of `Referer` and of where a redirect leads. `Authorization`, `Cookie` and
//! `Set-Cookie` never reach it. Rather too much is hidden than too little.

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

/// How a word must stand in a parameter's name for its value to be hidden.
#[derive(Clone, Copy)]
enum Place {
    /// Anywhere.
    Anywhere,
    /// Between ends, or characters that are neither letters nor digits.
    Word,
    /// At the end.
    End,
}

use Place::{Anywhere, End, Word};

/// The words that hide a value, by their first letter; names are compared in lower case, percent-decoded.
///
/// Signed storage URLs are meant by `signature`, `credential`, `token`, `sig` and `accesskey`; `code` is what sign-in
/// pages are called back with. By letter, because every parameter of every logged request is looked up here.
const fn words(first: u8) -> &'static [(Place, &'static [u8])] {
    match first {
        b'a' => &[
            (Anywhere, b"authorization"),
            (Anywhere, b"accesskey"),
            (Anywhere, b"apikey"),
            (Word, b"auth"),
            (End, b"auth"),
        ],
        b'c' => &[(Anywhere, b"credential"), (Anywhere, b"cookie"), (Word, b"code")],
        b'j' => &[(Anywhere, b"jwt")],
        b'k' => &[(Word, b"key"), (End, b"key")],
        b'o' => &[(Word, b"oauth"), (Word, b"otp")],
        b'p' => &[(Anywhere, b"passw"), (Anywhere, b"passphrase"), (Word, b"pass"), (Word, b"pwd")],
        b's' => &[
            (Anywhere, b"secret"),
            (Anywhere, b"signature"),
            (Anywhere, b"sessionid"),
            (Word, b"session"),
            (Word, b"sig"),
            (Word, b"sid"),
        ],
        b't' => &[(Anywhere, b"token")],
        _ => &[],
    }
}

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

/// Gives `emit` the pieces of `path_and_query` in order, `***` in place of each hidden value. Allocates nothing; what
/// hides nothing is one piece.
pub(super) fn redacted<'a>(path_and_query: &'a str, mut emit: impl FnMut(&'a str)) {
    let bytes = path_and_query.as_bytes();
    let Some(question) = memchr::memchr(b'?', bytes) else {
        return emit(path_and_query);
    };
    let part = |from: usize, to: usize| path_and_query.get(from..to).unwrap_or_default();
    let (mut kept, mut start) = (0, question + 1);
    while let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
        let end = memchr::memchr2(b'&', b';', rest).map_or(bytes.len(), |at| start + at);
        if let Some((name, value)) = part(start, end).split_once('=')
            && !value.is_empty()
            && is_secret(name, value)
        {
            emit(part(kept, end - value.len()));
            emit(HIDDEN);
            kept = end;
        }
        start = end + 1;
    }
    emit(part(kept, bytes.len()));
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
    names_secret(name) || (carries_parameters(value.as_bytes()) && carries_word(value.as_bytes()))
}

fn names_secret(name: &str) -> bool {
    let mut decoded = [0_u8; NAME_BYTES_MAX];
    let Some(name) = decode(name.as_bytes(), &mut decoded) else { return true };
    let mut before = None;
    for (at, first) in name.iter().enumerate() {
        let rest = name.get(at..).unwrap_or_default();
        for (place, word) in words(*first) {
            let Some(after) = rest.strip_prefix(*word) else { continue };
            let fits = match place {
                Anywhere => true,
                End => after.is_empty(),
                Word => is_edge(before) && is_edge(after.first()),
            };
            if fits {
                return true;
            }
        }
        before = Some(first);
    }
    false
}

fn is_edge(neighbour: Option<&u8>) -> bool {
    neighbour.is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

fn carries_parameters(value: &[u8]) -> bool {
    memchr::memchr2_iter(b'=', b'%', value).any(|at| {
        let rest = value.get(at..).unwrap_or_default();
        matches!(rest, [b'=', ..] | [b'%', b'3', b'd' | b'D', ..])
    })
}

/// Whether any of the words stands in `value`, which can be long: compared without decoding.
fn carries_word(value: &[u8]) -> bool {
    (0..value.len()).filter_map(|at| value.get(at..)).any(|rest| {
        let first = rest.first().map_or(0, u8::to_ascii_lowercase);
        words(first).iter().any(|(_, word)| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))
    })
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
            ("/a?x=1?token=abc&y=2", "/a?x=***&y=2"),
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
