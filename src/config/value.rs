//! The text of one environment variable to a value, as ClearML's own parser (pyhocon) takes it.
//!
//! pyhocon lets `:` and `//` stand inside an unquoted word (`https://a`, `127.0.0.1:80`); our parser does not. So
//! words are quoted first. Where pyhocon gives an error, the text is taken as it is, with a caution.

use super::environment::Environment;
use super::problem::Origin;
use super::tree::{Node, Value, from_hocon};
use hocon::{HoconValue, ParseOptions};

/// A value, and what its writer should know about it.
#[derive(Debug, PartialEq)]
pub(super) struct Reading {
    /// `None` for a `${?NAME}` that is not set: as if the variable were not there.
    pub(super) value: Option<Value>,
    pub(super) caution: Option<Caution>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caution {
    /// ClearML's server would refuse it; taken as plain text.
    PlainText,
    /// Everything after a `#` inside a word was dropped.
    CutAtHash,
}

/// The text begins a second key after a line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecondKey;

/// Reads `text`; all values get `origin`.
///
/// # Errors
/// `SecondKey`: ClearML would let one variable set several keys that way.
///
/// Source: `apiserver/config/basic.py` (`parse_string(f"{path}: {value}")`), checked against pyhocon 0.3.
pub(super) fn read(text: &str, environment: &Environment, origin: &Origin) -> Result<Reading, SecondKey> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Reading { value: Some(Value::Text(String::new())), caution: None });
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Ok(Reading { value: Some(Value::Bool(text.eq_ignore_ascii_case("true"))), caution: None });
    }
    let plain = || Reading { value: Some(Value::Text(text.to_owned())), caution: Some(Caution::PlainText) };
    let Some(quoted) = quote_words(text) else { return Ok(plain()) };
    if quoted.second_line {
        return Err(SecondKey);
    }
    let caution = quoted.cut.then_some(Caution::CutAtHash);
    if quoted.text.trim().is_empty() {
        return Ok(Reading { value: Some(Value::Text(String::new())), caution });
    }
    let Ok(config) = parse(&quoted.text, environment) else { return Ok(plain()) };
    if config.keys().iter().any(|key| *key != NAME) {
        return Err(SecondKey);
    }
    let places = |_: &[String]| (origin.clone(), origin.clone());
    let node = config.get(NAME).map(|value: &HoconValue| from_hocon(value.clone(), &mut Vec::new(), &places));
    Ok(Reading { value: node.map(|Node { value, .. }| value), caution })
}

/// The key that a value is parsed under.
const NAME: &str = "value";

fn parse(text: &str, environment: &Environment) -> Result<hocon::Config, hocon::HoconError> {
    let variables = environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    hocon::parse_string_with_options(&format!("{NAME}: {text}"), ParseOptions::defaults().with_env(variables))
}

/// What pyhocon takes in no unquoted word.
const FORBIDDEN: &[char] = &['+', '?', '!', '@', '*', '&', '^', '`', '=', '$', '\\'];

/// Text whose words are safe for our parser.
struct Quoted {
    text: String,
    /// A `#` inside a word began a comment.
    cut: bool,
    /// Something follows a line break that is in no list, section or quotes.
    second_line: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    AsWritten,
    Word,
    Comment,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    List,
    /// Before the `:` or `=` of a field.
    Key,
    /// Behind it.
    FieldValue,
}

/// Puts quotes around unquoted words in value position. `None` where pyhocon would refuse the text.
fn quote_words(text: &str) -> Option<Quoted> {
    let mut out = Quoted { text: String::with_capacity(text.len() + 16), cut: false, second_line: false };
    let mut stack: Vec<Inside> = Vec::new();
    let mut rest = text;
    let mut after_word = false;
    let mut broken = false;
    while let Some(c) = rest.chars().next() {
        let (piece, length) = match c {
            '"' => (Piece::AsWritten, quoted_length(rest)?),
            '$' if rest.starts_with("${") => (Piece::AsWritten, rest.find('}')? + 1),
            '#' => (Piece::Comment, comment_length(rest)),
            '/' if rest.starts_with("//") => (Piece::Comment, comment_length(rest)),
            // Our parser would stop here and drop the rest.
            ']' | '}' if stack.is_empty() => return None,
            c if enters(c, &mut stack) => (Piece::AsWritten, 1),
            c if c.is_whitespace() => (Piece::AsWritten, c.len_utf8()),
            _ => (Piece::Word, word_length(rest, stack.last() == Some(&Inside::Key))?),
        };
        let (written, tail) = rest.split_at_checked(length)?;
        match piece {
            Piece::Comment => out.cut |= after_word && c == '#',
            Piece::Word if written.contains([':', '/']) => out.text.extend(["\"", written, "\""]),
            Piece::Word | Piece::AsWritten => out.text.push_str(written),
        }
        after_word = piece == Piece::Word;
        out.second_line |= broken && piece != Piece::Comment && !c.is_whitespace();
        broken |= c == '\n' && stack.is_empty();
        rest = tail;
    }
    Some(out)
}

/// Whether `c` is structure at this place rather than the start of a word; keeps the stack of what we are inside.
fn enters(c: char, stack: &mut Vec<Inside>) -> bool {
    match (c, stack.last()) {
        ('[', _) => stack.push(Inside::List),
        ('{', Some(Inside::Key)) => {
            stack.pop();
            stack.extend([Inside::FieldValue, Inside::Key]);
        }
        ('{', _) => stack.push(Inside::Key),
        (']' | '}', _) => drop(stack.pop()),
        (':' | '=', Some(Inside::Key)) => {
            stack.pop();
            stack.push(Inside::FieldValue);
        }
        (',' | '\n', Some(Inside::FieldValue)) => {
            stack.pop();
            stack.push(Inside::Key);
        }
        (',' | '\n', _) => {}
        _ => return false,
    }
    true
}

/// The length of a string in quotes, with them.
fn quoted_length(text: &str) -> Option<usize> {
    if let Some(body) = text.strip_prefix("\"\"\"") {
        return body.find("\"\"\"").map(|end| end + 6);
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    end.map(|(at, _)| at + 1)
}

fn comment_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The length of an unquoted word; `None` where it has a character that pyhocon refuses.
fn word_length(text: &str, is_key: bool) -> Option<usize> {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '#' | ',' | '[' | ']' | '{' | '}') || (is_key && matches!(c, ':' | '='))
    };
    let end = text.find(ends).unwrap_or(text.len());
    // A substitution ends a word, it does not spoil it.
    let before_substitution = text.get(end..)?.starts_with('{') && text.get(..end)?.ends_with('$');
    let end = end - usize::from(before_substitution);
    (end > 0 && !text.get(..end)?.contains(FORBIDDEN)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(text: &str) -> Result<Reading, SecondKey> {
        let environment = Environment::of([("HOME", "/root"), ("HOST", "h.example")]);
        read(text, &environment, &Origin::Default)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn number(text: &str) -> Value {
        Value::Number(text.to_owned())
    }

    fn list(items: &[Value]) -> Value {
        Value::List(items.iter().map(|value| Node::new(Origin::Default, value.clone())).collect())
    }

    #[test]
    fn means_what_it_means_to_clearml() {
        let section = Value::Map([("a".to_owned(), Node::new(Origin::Default, number("1")))].into());
        for (written, value) in [
            ("true", Value::Bool(true)),
            ("True", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("on", text("on")),
            ("yes", text("yes")),
            ("None", text("None")),
            ("null", Value::Null),
            ("1", number("1")),
            ("-5", number("-5")),
            ("1.5", number("1.5")),
            ("1e3", number("1e3")),
            ("08", number("08")),
            ("\"1\"", text("1")),
            ("", text("")),
            ("  ", text("")),
            (".example.com", text(".example.com")),
            ("https://x", text("https://x")),
            ("p:w", text("p:w")),
            ("pass//w", text("pass//w")),
            ("pass //w", text("pass")),
            ("a b c", text("a b c")),
            ("a:b c//d", text("a:b c//d")),
            ("127.0.0.1:8080", text("127.0.0.1:8080")),
            (":443", text(":443")),
            ("/x/y", text("/x/y")),
            ("[https://a, https://b:8081]", list(&[text("https://a"), text("https://b:8081")])),
            ("[\"a\",\"b\"]", list(&[text("a"), text("b")])),
            ("[a b, c]", list(&[text("a b"), text("c")])),
            ("[a:1]", list(&[text("a:1")])),
            ("[\n1\n2\n]", list(&[number("1"), number("2")])),
            ("{a:1}", section.clone()),
            ("{a=1}", section),
            ("10s", text("10s")),
            ("5 minutes", text("5 minutes")),
            ("10MB", text("10MB")),
            ("0x10", text("0x10")),
            ("'x'", text("'x'")),
            ("${HOME}", text("/root")),
            ("x${HOME}y", text("x/rooty")),
            ("https://${HOST}:8081", text("https://h.example:8081")),
            ("\"a\"b", text("ab")),
            ("1 2", text("1 2")),
        ] {
            assert_eq!(reading(written), Ok(Reading { value: Some(value), caution: None }), "{written:?}");
        }
    }

    #[test]
    fn sections_hold_unquoted_addresses_too() {
        let Ok(Reading { value: Some(Value::Map(map)), caution: None }) = reading("{url: https://a:1/b, c { d: e:f }}")
        else {
            panic!("a section")
        };
        assert_eq!(map["url"].value, text("https://a:1/b"));
        let Value::Map(inner) = &map["c"].value else { panic!("a section") };
        assert_eq!(inner["d"].value, text("e:f"));
    }

    #[test]
    fn what_clearml_refuses_is_plain_text_with_a_caution() {
        for written in [
            "a, b",
            "a,b",
            "a=b",
            "$x",
            "+",
            "a+b",
            "a*b",
            "a&b",
            "^",
            "{",
            "}",
            "[",
            "]",
            "a]",
            "a}",
            "5s} x",
            "[a]}",
            "\"a",
            "*",
            "*:443",
            "@",
            "!",
            "a?b",
            "[::]:443",
            "https://x:8443/p?q",
            "${UNSET_NAME}",
            "\\",
        ] {
            let plain = Reading { value: Some(text(written)), caution: Some(Caution::PlainText) };
            assert_eq!(reading(written), Ok(plain), "{written:?}");
        }
    }

    #[test]
    fn a_hash_cuts_with_a_caution() {
        let cut = |value| Ok(Reading { value: Some(text(value)), caution: Some(Caution::CutAtHash) });
        assert_eq!(reading("pass#word"), cut("pass"));
        assert_eq!(reading("pass # word"), Ok(Reading { value: Some(text("pass")), caution: None }));
        assert_eq!(reading("\"pass#word\""), Ok(Reading { value: Some(text("pass#word")), caution: None }));
    }

    #[test]
    fn an_unset_optional_substitution_is_no_value() {
        assert_eq!(reading("${?UNSET_NAME}"), Ok(Reading { value: None, caution: None }));
    }

    proptest::proptest! {
        #[test]
        fn takes_any_text_in_its_stride(written in "[a-c:/\\[\\]{}\"'$,=#?*\\\\ \\n.é]{0,24}") {
            if let Ok(Reading { value: Some(Value::Text(text)), caution: Some(Caution::PlainText) }) = reading(&written) {
                proptest::prop_assert_eq!(text, written.trim());
            }
        }
    }

    #[test]
    fn one_variable_sets_one_key() {
        assert_eq!(reading("1\nb: 2"), Err(SecondKey));
        assert_eq!(reading("x\nproxy.workers: 2"), Err(SecondKey));
        assert_eq!(reading("1, b { c: 2 }"), Err(SecondKey));
        assert_eq!(reading("x # one\n# two").unwrap().value, Some(text("x")));
    }
}
