//! Heads of HTTP/1 messages, taken apart without forgiveness: CRLF only, one colon, order kept.

use std::fmt;

/// Header fields in the order and spelling they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, Vec<u8>)>);

impl Fields {
    /// Adds one field at the end.
    pub(crate) fn push(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_vec()));
    }

    /// Every value of `name`, as text.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let same = |(field, _): &&(String, Vec<u8>)| field.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The only value of `name`.
    pub(crate) fn one(&self, name: &str) -> String {
        let all = self.all(name);
        assert_eq!(all.len(), 1, "expected {name} once in\n{self}");
        all.into_iter().next().unwrap()
    }

    /// Whether there is a field `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The names in lower case, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = self.0.iter().map(|(name, _)| name.to_ascii_lowercase()).collect::<Vec<_>>();
        names.sort();
        names
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name}: {}", value.escape_ascii()))
    }
}

/// The head of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Request line or status line.
    pub(crate) line: String,
    /// What follows it.
    pub(crate) fields: Fields,
}

impl Head {
    /// Parses the bytes up to and with the empty line.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = bytes.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
        let mut lines = split_crlf(text);
        let line = String::from_utf8_lossy(lines.remove(0)).into_owned();
        Self { line, fields: parse_fields(&lines) }
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let status = self.line.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status line: {:?}", self.line))
    }

    /// The body's length as announced.
    pub(crate) fn content_length(&self) -> Option<usize> {
        self.fields.has("content-length").then(|| self.fields.one("content-length").parse().unwrap())
    }

    /// Whether the body comes in chunks.
    pub(crate) fn chunked(&self) -> bool {
        self.fields.all("transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked"))
    }
}

/// Parses field lines.
pub(crate) fn parse_fields(lines: &[&[u8]]) -> Fields {
    let mut fields = Fields::default();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':');
        let colon = colon.unwrap_or_else(|| panic!("a field without colon: {}", line.escape_ascii()));
        fields.push(&String::from_utf8_lossy(&line[..colon]), line[colon + 1..].trim_ascii());
    }
    fields
}

/// Splits at CRLF; a bare CR or LF is a failure, because nothing we send may have one.
pub(crate) fn split_crlf(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    for line in &lines {
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "stray control: {}", line.escape_ascii());
    }
    lines
}

/// A request as a target received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its head.
    pub(crate) head: Head,
    /// Its body without chunk framing.
    pub(crate) body: Vec<u8>,
    /// What followed the last chunk.
    pub(crate) trailers: Fields,
}

impl Received {
    /// Method and target, without the version.
    pub(crate) fn asked(&self) -> &str {
        self.head.line.strip_suffix(" HTTP/1.1").expect("requests go out as HTTP/1.1")
    }

    /// The only value of a header field.
    pub(crate) fn field(&self, name: &str) -> String {
        self.head.fields.one(name)
    }

    /// Whether there is such a header field.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.head.fields.has(name)
    }
}
