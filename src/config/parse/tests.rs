use super::super::tree::find;
use super::*;

fn parsed(text: &str) -> Result<Map, Vec<Problem>> {
    let source = Arc::new(Source { path: "proxy.conf".into(), text: text.to_owned(), secret: false });
    parse(&source, &Environment::of([("HOME", "/home/me")]))
}

/// The problems of `text`, as `line:column: message`, with the marked text.
fn problems(text: &str) -> Vec<(String, String)> {
    let describe = |problem: Problem| {
        let (line, column) = problem.origin.position().unwrap_or_default();
        let marked = match &problem.origin {
            Origin::Text { source, span } => source.text[span.clone()].to_owned(),
            _ => String::new(),
        };
        (format!("{line}:{column}: {}", problem.message), marked)
    };
    parsed(text).expect_err(text).into_iter().map(describe).collect()
}

fn text_at(map: &Map, path: &str) -> String {
    match &find(map, path).unwrap_or_else(|| panic!("{path} is missing")).value {
        Value::Text(text) | Value::Number(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[test]
fn reads_what_clearml_users_write() {
    let map = parsed(
        "# comment\ndomain: clearml.example.com // more\nlisteners { https.bind = [ \"[::]:443\", 8443 ] }\n\
         listeners.http { enabled = false }\nhome: ${HOME}/certs\ntimeouts { hold: 5 seconds }\nbind: 0.0.0.0:443\n",
    )
    .unwrap();
    assert_eq!(text_at(&map, "domain"), "clearml.example.com");
    assert_eq!(text_at(&map, "home"), "/home/me/certs");
    assert_eq!(text_at(&map, "timeouts.hold"), "5 seconds");
    assert_eq!(text_at(&map, "bind"), "0.0.0.0:443");
    assert!(find(&map, "listeners.https.bind").is_some() && find(&map, "listeners.http.enabled").is_some());
}

#[test]
fn knows_where_keys_and_values_stand() {
    let map = parsed("a {\n  b: 1\n  c.d = [\n    { e: x y }, \"q,r\"\n  ]\n}\n").unwrap();
    let marked = |origin: &Origin| match origin {
        Origin::Text { source, span } => source.text[span.clone()].to_owned(),
        other => other.to_string(),
    };
    let b = find(&map, "a.b").unwrap();
    assert_eq!((marked(&b.key), marked(&b.at), b.key.position()), ("b".into(), "1".into(), Some((2, 3))));
    let d = find(&map, "a.c.d").unwrap();
    assert_eq!((marked(&d.key), d.at.position()), ("c.d".into(), Some((3, 9))));
    let Value::List(items) = &d.value else { panic!("a list") };
    let Value::Map(first) = &items[0].value else { panic!("a section") };
    assert_eq!((marked(&first["e"].at), marked(&items[1].at)), ("x y".into(), "\"q,r\"".into()));
}

#[test]
fn the_first_of_a_list_is_marked_itself() {
    let map = parsed("a: [ x, y ] // why\n").unwrap();
    let Value::List(items) = &find(&map, "a").unwrap().value else { panic!("a list") };
    assert_eq!(items[0].at.position(), Some((1, 6)));
}

#[test]
fn a_long_line_takes_no_long_time() {
    let line = format!("a: [{}]", (0..40_000).map(|n| format!("{n},")).collect::<String>());
    assert!(matches!(&find(&parsed(&line).unwrap(), "a").unwrap().value, Value::List(items) if items.len() == 40_000));
}

#[test]
fn a_byte_more_of_unicode_moves_no_column() {
    assert_eq!(problems("ü: 1, b: @\n"), [("1:10: unexpected character: '@'".into(), "@".into())]);
}

#[test]
fn syntax_errors_have_a_place() {
    for (text, expected) in [
        ("a: {b: 1\n", "2:1: expected }"),
        ("a: [1, 2", "1:9: expected ]"),
        ("a: \"x\nb: 1", "1:4: unterminated string"),
        ("domain: *", "1:9: unexpected character: '*'"),
        ("a: ${NOPE}", "1:4: could not resolve substitution: ${NOPE}"),
        ("[1]", "1:1: a configuration is a list of keys, not an array"),
    ] {
        assert_eq!(problems(text)[0].0, expected, "{text}");
    }
}

#[test]
fn text_that_would_be_lost_is_refused() {
    for (text, expected, marked) in [
        ("url: https://h/p", "1:6: quote this URL", "https://h/p"),
        ("a: [https://h:8081, 2]", "1:5: quote this URL", "https://h:8081"),
        ("a: b//c", "1:4: quote this text", "b//c"),
        ("a: 1}\nb: 2", "1:5: this `}` closes nothing", "}"),
        ("a { b: 1 } }\nc: 1", "1:12: this `}` closes nothing", "}"),
        ("include \"other\"", "1:9: `include` is not supported", "\"other\""),
        ("a { include \"other\" }", "1:13: `include` is not supported", "\"other\""),
    ] {
        let found = problems(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let (message, text_marked) = &found[0];
        assert_eq!(message, expected, "{text}");
        assert!(text_marked.starts_with(marked), "{text}: {text_marked}");
    }
    assert!(parsed("a: \"https://h\" // https://x\nb: 1 // c").is_ok());
}

#[test]
fn several_traps_are_reported_together() {
    assert_eq!(problems("a: https://x\nb: https://y\n").len(), 2);
}

#[test]
fn slow_texts_are_refused_before_they_are_slow() {
    let deep = vec!["k"; 40].join(".");
    let many = (0..40).map(|n| format!("{deep}.x{n}: 1\n")).collect::<String>();
    assert!(problems(&many)[0].0.contains("a key path of 41 names; at most 8 are read"));
    assert!(problems("a.b.c.d { e.f.g.h { i: 1 } }")[0].0.contains("a key path of 9 names"));
    let dotted = (0..5_000).map(|n| format!("a.b.c.x{n}: 1\n")).collect::<String>();
    assert!(problems(&dotted)[0].0.contains("more than 200 keys with dots"));
    let large = "#".repeat(FILE_BYTES_MAX + 1);
    assert!(problems(&large)[0].0.contains("the file has 262145 bytes; at most 262144 are read"));
    let nested = "[".repeat(20_000);
    assert!(problems(&format!("a: {nested}"))[0].0.contains("nests deeper"));
}

proptest::proptest! {
    /// Also finds places that are no boundaries of characters.
    #[test]
    fn takes_any_text_in_its_stride(text in "[a-c:/\\[\\]{}\"'$,=#?+\\\\ \\n.é-]{0,40}") {
        for problem in parsed(&text).err().unwrap_or_default() {
            proptest::prop_assert!(problem.origin.position().is_some());
            proptest::prop_assert!(!crate::config::render(&problem, false).is_empty());
        }
    }
}
