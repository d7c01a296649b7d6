//! One API call as text: which action a path names, and what the caller gives it.

use serde_json::{Map, Number, Value};

/// `/v2.23/tasks.get_all` or `/tasks.get_all`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CallPath<'a> {
    /// `2.23`, where one is asked for.
    pub(super) version: Option<&'a str>,
    /// `tasks.get_all`
    pub(super) name: &'a str,
}

impl<'a> CallPath<'a> {
    /// Parses a path; `None` where it names no action.
    ///
    /// Source: clearml-server `apiserver/service_repo/service_repo.py`, `_endpoint_exp`.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let (version, name) = match path.split_once('/') {
            Some((version, name)) => (Some(version.strip_prefix('v').filter(|digits| is_version(digits))?), name),
            None => (None, path),
        };
        let (service, action) = name.split_once('.')?;
        (is_word(service) && is_word(action)).then_some(Self { version, name })
    }
}

/// The version in an answer: a number for clients that ask for less than 2.1, text otherwise.
pub(super) fn version_value(version: &str) -> Value {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    match (major.parse::<u64>(), minor.parse::<u64>()) {
        (Ok(major), Ok(minor)) if (major, minor) >= (2, 1) => Value::from(version),
        _ => version.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
    }
}

/// What the caller gives: the JSON body, then the query on top. A batch (`application/json-lines`) gives none.
///
/// # Errors
/// The message for the caller.
pub(super) fn data(body: &[u8], batch: bool, query: Option<&str>) -> Result<Map<String, Value>, String> {
    let mut data = match body {
        [] => Map::new(),
        lines if batch => check_batch(lines).map(|()| Map::new())?,
        _ => match serde_json::from_slice(body).map_err(|error| format!("Failed to decode JSON object: {error}"))? {
            Value::Object(data) => data,
            Value::Null => Map::new(),
            _ => return Err("Data should be a dict".into()),
        },
    };
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    for (name, value) in pairs {
        if let (Some(name), Some(value)) = (decode(name, true), decode(value, true)) {
            data.insert(name, guess(value));
        }
    }
    Ok(data)
}

fn check_batch(lines: &[u8]) -> Result<(), String> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    for (index, line) in lines.enumerate() {
        serde_json::from_slice::<Map<String, Value>>(line)
            .map_err(|error| format!("{error} in batch item #{index}"))?;
    }
    Ok(())
}

/// Numbers and truth values in a query are taken for such.
fn guess(value: String) -> Value {
    match value.as_str() {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u64>().map_or(Value::String(value), Value::from)
        }
        _ => Value::String(value),
    }
}

/// Takes percent-encoding (and with `plus`, spaces written as `+`) off; `None` where the result is no UTF-8.
pub(super) fn decode(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            (b'+', _) if plus => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => digit.wrapping_sub(b'0'),
    }
}

fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((major, minor)) => digits(major) && digits(minor),
        None => digits(text) && text.len() > 1,
    }
}

fn is_word(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_name_an_action_with_or_without_a_version() {
        for (path, version, name) in [
            ("/debug.ping", None, "debug.ping"),
            ("/v2.23/tasks.get_all", Some("2.23"), "tasks.get_all"),
            ("/v999.0/auth.login/", Some("999.0"), "auth.login"),
            ("/v12/auth.login", Some("12"), "auth.login"),
            ("tasks.x_1", None, "tasks.x_1"),
        ] {
            assert_eq!(CallPath::parse(path), Some(CallPath { version, name }), "{path}");
        }
        for path in
            ["/", "", "/a.b", "/tasks", "/v2/auth.login", "/v2.x/auth.login", "/api/auth.login", "/1ab.cd", "/a b.cd"]
        {
            assert_eq!(CallPath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn old_clients_get_numbers() {
        assert_eq!(version_value("1.0"), json!(1.0));
        assert_eq!(version_value("2.0"), json!(2.0));
        assert_eq!(version_value("2.1"), json!("2.1"));
        assert_eq!(version_value("999.0"), json!("999.0"));
    }

    #[test]
    fn data_comes_from_body_and_query() {
        let read = |body: &str, query| data(body.as_bytes(), false, query).map(Value::Object);
        assert_eq!(read("", None), Ok(json!({})));
        assert_eq!(read(r#"{"a":1}"#, Some("b=2&c=x+%C3%BC&d=True&e")), Ok(json!({"a":1,"b":2,"c":"x ü","d":true})));
        assert!(read("{", None).is_err());
        assert!(read("[1]", None).is_err());
    }

    #[test]
    fn batches_are_lines_of_objects() {
        assert_eq!(data(b"{\"a\":1}\n{}\n", true, None), Ok(Map::new()));
        assert!(data(b"{\"a\":1}\n[]", true, None).unwrap_err().contains("batch item #1"));
    }

    #[test]
    fn percent_signs_that_encode_nothing_stay() {
        for (text, expected) in [
            ("a%20b", Some("a b")),
            ("%C3%BC", Some("ü")),
            ("a+b", Some("a+b")),
            ("100%", Some("100%")),
            ("%zz", Some("%zz")),
            ("%2520", Some("%20")),
            ("%FF", None),
        ] {
            assert_eq!(decode(text, false).as_deref(), expected, "{text}");
        }
    }
}
