//! Problems as people and programs read them. Of a file that holds passwords no line is shown.

use super::problem::{Origin, Problem, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

/// The problem in a few lines: what, where with an excerpt, and what to do.
#[must_use]
pub fn render(problem: &Problem, colour: bool) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{}: {}", key.escape_debug(), problem.message),
    };
    let place = match &problem.origin {
        Origin::Variable(name) => Some(format!("set by the environment variable {name}")),
        Origin::Flag(flag) => Some(format!("set by the flag {flag}")),
        Origin::Path(path) => Some(format!("in {}", path.display())),
        Origin::Text { source, .. } if source.secret => Some(format!("at {}", problem.origin)),
        Origin::Text { .. } | Origin::Default => None,
    };
    let title = level.primary_title(title);
    let mut group = match &problem.origin {
        Origin::Text { source, span } if !source.secret => {
            let path = source.path.display().to_string();
            let mark = AnnotationKind::Primary.span(span.clone());
            title.element(Snippet::source(source.text.as_str()).path(path).annotation(mark))
        }
        _ => Group::with_title(title),
    };
    if let Some(place) = place {
        group = group.element(Level::NOTE.message(place));
    }
    if let Some(hint) = &problem.hint {
        group = group.element(Level::HELP.message(hint.clone()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The problem for programs: severity, key, message, hint, and the origin as file, line and column, or as variable or flag.
#[must_use]
pub fn json(problem: &Problem) -> Value {
    let origin = match &problem.origin {
        Origin::Text { source, .. } => {
            let (line, column) = problem.origin.position().unwrap_or((1, 1));
            json!({ "file": source.path.display().to_string(), "line": line, "column": column })
        }
        Origin::Path(path) => json!({ "file": path.display().to_string() }),
        Origin::Variable(name) => json!({ "variable": name }),
        Origin::Flag(flag) => json!({ "flag": flag }),
        Origin::Default => Value::Null,
    };
    json!({
        "severity": problem.severity.as_str(),
        "key": (!problem.key.is_empty()).then_some(&problem.key),
        "message": problem.message,
        "hint": problem.hint,
        "origin": origin,
    })
}

#[cfg(test)]
mod tests {
    use super::super::problem::Source;
    use super::*;
    use std::sync::Arc;

    fn unknown_key() -> Problem {
        let text = String::from("listeners {\n  htps { bind: 443 }\n}\n");
        let source = Arc::new(Source { path: "proxy.conf".into(), text, secret: false });
        Problem::error(Origin::Text { source, span: 14..18 }, "unknown key `listeners.htps`")
            .at("listeners.htps")
            .hint("did you mean `listeners.https`?")
    }

    #[test]
    fn shows_the_line_and_marks_the_place() {
        let expected = "\
error: listeners.htps: unknown key `listeners.htps`
 --> proxy.conf:2:3
  |
2 |   htps { bind: 443 }
  |   ^^^^
  |
  = help: did you mean `listeners.https`?";
        assert_eq!(render(&unknown_key(), false), expected);
        assert!(render(&unknown_key(), true).contains("\u{1b}["));
    }

    #[test]
    fn names_the_variable_and_the_flag() {
        let variable = Problem::warning(Origin::Variable("CLEARML__PROXY__X".into()), "odd").at("x");
        assert_eq!(
            render(&variable, false),
            "warning: x: odd\n |\n = note: set by the environment variable CLEARML__PROXY__X"
        );
        let flag = Problem::error(Origin::Flag("--domain"), "odd");
        assert!(render(&flag, false).contains("set by the flag --domain"));
    }

    #[test]
    fn programs_get_the_same() {
        let value = json(&unknown_key());
        assert_eq!(value["origin"], json!({ "file": "proxy.conf", "line": 2, "column": 3 }));
        assert_eq!((&value["severity"], &value["key"]), (&json!("error"), &json!("listeners.htps")));
        assert_eq!(json(&Problem::error(Origin::Default, "x"))["key"], Value::Null);
    }
}
