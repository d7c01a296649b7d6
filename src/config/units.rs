//! Durations, sizes and domain names as people write them.
//!
//! Leaves: which key takes what to `keys`. A duration always needs its unit: in HOCON a bare number would be
//! milliseconds, which nobody means who writes `timeout: 30`.

use super::problem::shown;
use super::tree::Value;
use crate::domain::names::{HostName, ServiceName};
use crate::domain::units::ByteSize;
use hocon::{Config, HoconValue, ScalarValue};
use std::net::IpAddr;
use std::time::Duration;

/// Why a value is not taken, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// `value` alone in a configuration, for the parser's own typed readers.
fn alone(scalar: ScalarValue) -> Config {
    Config::new([(String::from("value"), HoconValue::Scalar(scalar))].into_iter().collect())
}

/// Reads `5s`, `"10 minutes"` or `500ms`.
pub(super) fn duration(value: &Value) -> Result<Duration, Mistake> {
    let text = match value {
        Value::Text(text) => text.trim(),
        Value::Number(digits) => digits,
        other => return Err(Mistake::new(format!("expected a duration, found {}", other.kind())).hint("as in \"5s\"")),
    };
    if matches!(value, Value::Number(_)) || text.ends_with(|c: char| c.is_ascii_digit()) {
        let mistake = Mistake::new(format!("the duration {} has no unit", shown(text)));
        return Err(mistake.hint(format!("write \"{text}s\" for seconds, or use ms, minutes, hours")));
    }
    alone(ScalarValue::string(text.to_owned())).get_duration("value").map_err(|_| {
        Mistake::new(format!("{} is no duration", shown(text)))
            .hint("write a number and a unit: ms, s, m (minutes), h or d, as in \"5s\" or \"10 minutes\"")
    })
}

/// Reads a duration that stands alone, as on a command line.
///
/// # Errors
/// What is wrong with it, and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let mistake = |mistake: Mistake| [Some(mistake.message), mistake.hint].into_iter().flatten().collect::<Vec<_>>();
    duration(&Value::Text(text.to_owned())).map_err(|wrong| mistake(wrong).join("; "))
}

/// Reads `64KiB`, `"1 MB"` or a plain number of bytes.
pub(super) fn size(value: &Value) -> Result<ByteSize, Mistake> {
    let scalar = match value {
        Value::Text(text) => ScalarValue::string(text.trim().to_owned()),
        Value::Number(digits) => ScalarValue::number(digits.clone()),
        other => return Err(Mistake::new(format!("expected a size, found {}", other.kind())).hint("as in \"64KiB\"")),
    };
    let text = scalar.raw.clone();
    let bytes = alone(scalar).get_bytes("value").ok().and_then(|bytes| u64::try_from(bytes).ok());
    bytes.map(ByteSize::bytes).ok_or_else(|| {
        let hint = if text.to_ascii_lowercase().ends_with("kb") {
            "write kB for 1000 bytes or KiB for 1024"
        } else {
            "write bytes, or a number and a unit: KiB, MiB, GiB (1024) or kB, MB, GB (1000)"
        };
        Mistake::new(format!("{} is no size", shown(&text))).hint(hint)
    })
}

/// Reads the path of a request: it begins with a slash and has nothing that a head cannot carry.
pub(super) fn url_path(value: &Value) -> Result<String, Mistake> {
    let (Value::Text(text) | Value::Number(text)) = value else {
        return Err(Mistake::new(format!("expected a path, found {}", value.kind())));
    };
    let text = text.trim();
    if text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Mistake::new(format!("{} is no path of a URL", shown(text))).hint("as in \"/debug.ping\""))
}

/// Reads `200` or `200-299`.
pub(super) fn statuses(text: &str) -> Result<(u16, u16), Mistake> {
    let status = |text: &str| text.trim().parse().ok().filter(|status| (100..=599).contains(status));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err(Mistake::new(format!("{} is no status", shown(text))).hint("write 200, or a range: \"200-299\"")),
    }
}

/// Reads a whole number, written with or without quotes.
pub(super) fn count(value: &Value) -> Result<u64, Mistake> {
    let scalar = match value {
        Value::Text(text) => ScalarValue::string(text.trim().to_owned()),
        Value::Number(digits) => ScalarValue::number(digits.clone()),
        other => return Err(Mistake::new(format!("expected a whole number, found {}", other.kind()))),
    };
    let text = scalar.raw.clone();
    let number = HoconValue::Scalar(scalar).as_i64().and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| Mistake::new(format!("expected a whole number, found {}", shown(&text))))
}

/// Reads `true` and `false`, and what HOCON takes for them.
pub(super) fn switch(value: &Value) -> Result<bool, Mistake> {
    let text = match value {
        Value::Bool(switch) => return Ok(*switch),
        Value::Text(text) => text.trim().to_ascii_lowercase(),
        other => return Err(Mistake::new(format!("expected true or false, found {}", other.kind()))),
    };
    match text.as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        other => Err(Mistake::new(format!("expected true or false, found {}", shown(other)))),
    }
}

/// Reads the parent name of the three hosts; `None` for `*`.
pub(super) fn domain(text: &str) -> Result<Option<HostName>, Mistake> {
    let text = text.trim();
    let mistake = |what: &str| Mistake::new(format!("{} {what}", shown(text)));
    if text == "*" {
        return Ok(None);
    }
    let bare = host_of(text);
    let instead = format!("write the parent name alone: \"{}\"", parent_of(bare));
    if text.contains(',') || text.contains(char::is_whitespace) {
        return Err(mistake("is no domain").hint("several domains are a list: [\"a.example\", \"b.example\"]"));
    }
    if text.contains('/') {
        return Err(mistake("is a URL").hint(instead));
    }
    if text.parse::<IpAddr>().is_ok() || bare.parse::<IpAddr>().is_ok() {
        return Err(mistake("is an address").hint("app., api. and files. must stand in front of a name"));
    }
    if text.contains(':') {
        return Err(mistake("has a port").hint(format!("{instead}; ports belong to listeners.https")));
    }
    if text.starts_with(['.', '*']) {
        return Err(mistake("is no plain name").hint(instead));
    }
    let name = HostName::parse(text).map_err(|error| mistake("is no domain").hint(error.to_string()))?;
    if parent_of(name.as_str()) != name.as_str() {
        return Err(mistake("is the host of one service").hint(instead));
    }
    Ok(Some(name))
}

/// Reads the name of one host.
pub(super) fn host(text: &str) -> Result<HostName, Mistake> {
    let text = text.trim();
    let mistake = |what: &str| Mistake::new(format!("{} {what}", shown(text)));
    let bare = host_of(text);
    if text.contains(',') || text.contains(char::is_whitespace) {
        return Err(mistake("is no host name").hint("several names are a list: [\"a.example\", \"b.example\"]"));
    }
    if bare.parse::<IpAddr>().is_ok() || text.parse::<IpAddr>().is_ok() {
        return Err(mistake("is an address").hint("a certificate needs a name; give this machine one"));
    }
    if text.contains('/') {
        return Err(mistake("is a URL").hint(format!("write the name alone: \"{bare}\"")));
    }
    if text.contains(':') {
        return Err(mistake("has a port").hint(format!("write \"{bare}\"; ports belong to listeners.https")));
    }
    HostName::parse(text).map_err(|error| mistake("is no host name").hint(error.to_string()))
}

/// What stands between the scheme and the path or port.
fn host_of(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    }
}

/// `x.y` for `app.x.y`, `*.x.y` and `.x.y`.
fn parent_of(host: &str) -> &str {
    let host = host.strip_prefix('*').unwrap_or(host);
    match host.split_once('.') {
        Some((label, parent))
            if !parent.is_empty() && (label.is_empty() || ServiceName::from_label(label).is_some()) =>
        {
            parent
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn durations_need_a_unit() {
        for (written, millis) in [
            ("5s", 5_000),
            ("500ms", 500),
            ("10 minutes", 600_000),
            ("1.5h", 5_400_000),
            ("0s", 0),
            (" 2 d ", 172_800_000),
        ] {
            assert_eq!(duration(&text(written)), Ok(Duration::from_millis(millis)), "{written}");
        }
        for value in [Value::Number("30".into()), text("30"), text("1e3")] {
            let mistake = duration(&value).unwrap_err();
            assert!(mistake.message.contains("has no unit"), "{mistake:?}");
            assert!(mistake.hint.unwrap().contains("s\" for seconds"));
        }
        for value in [text("5 parsecs"), text(""), text("-5s"), text("5S"), Value::Bool(true), Value::List(vec![])] {
            assert!(duration(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn sizes_take_units_or_bytes() {
        for (value, bytes) in [
            (text("64KiB"), 65_536),
            (text("1 MB"), 1_000_000),
            (text("10kB"), 10_000),
            (Value::Number("1024".into()), 1_024),
            (text("1024"), 1_024),
            (text("1.5KiB"), 1_536),
        ] {
            assert_eq!(size(&value), Ok(ByteSize::bytes(bytes)), "{value:?}");
        }
        assert!(size(&text("5KB")).unwrap_err().hint.unwrap().contains("KiB for 1024"));
        for value in [text("-1"), text("much"), text(""), Value::Number("-1".into()), Value::Bool(true)] {
            assert!(size(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn counts_and_switches() {
        for value in [Value::Number("2".into()), text("2"), Value::Number("2.0".into())] {
            assert_eq!(count(&value), Ok(2), "{value:?}");
        }
        for value in [text("two"), Value::Number("1.5".into()), Value::Number("-1".into()), Value::Bool(true)] {
            assert!(count(&value).is_err(), "{value:?}");
        }
        for (value, expected) in
            [(Value::Bool(true), true), (text("Yes"), true), (text("on"), true), (text("OFF"), false)]
        {
            assert_eq!(switch(&value), Ok(expected), "{value:?}");
        }
        assert!(switch(&text("maybe")).is_err() && switch(&Value::Number("1".into())).is_err());
    }

    #[test]
    fn a_domain_is_a_plain_parent_name() {
        assert_eq!(domain("*"), Ok(None));
        for (written, name) in [("ClearML.example.com.", "clearml.example.com"), ("localhost", "localhost")] {
            assert_eq!(domain(written).unwrap().unwrap().as_str(), name);
        }
        for (written, message, hint) in [
            ("app.x.example", "is the host of one service", "\"x.example\""),
            ("https://app.x.example/login", "is a URL", "\"x.example\""),
            ("x.example/", "is a URL", "\"x.example\""),
            ("x.example:8443", "has a port", "\"x.example\""),
            (".x.example", "is no plain name", "\"x.example\""),
            ("*.x.example", "is no plain name", "\"x.example\""),
            ("10.0.0.1", "is an address", "in front of a name"),
            ("10.0.0.1:443", "is an address", "in front of a name"),
            ("::1", "is an address", "in front of a name"),
            ("[::1]:443", "is an address", "in front of a name"),
            ("a.example,b.example", "is no domain", "list"),
            ("a..b", "is no domain", "label"),
            ("", "is no domain", "empty"),
        ] {
            let mistake = domain(written).unwrap_err();
            assert!(mistake.message.contains(message), "{written}: {mistake:?}");
            assert!(mistake.hint.as_ref().unwrap().contains(hint), "{written}: {mistake:?}");
        }
    }
}
