//! Which stored files a browser would show as a page that runs.
//!
//! The file server shows whatever was uploaded in place. With a cookie for all three names, a page among the files
//! would act as whoever opens it. In a sandbox it runs with an origin of its own; the web UI shows such files in a
//! sandboxed frame anyway, so that nothing it needs is lost.
//!
//! Owns: media types and policies. Leaves: the header fields to the caller.
//!
//! Source: MIME Sniffing Standard section 4; Content Security Policy Level 3 section 6.3.2; clearml-web
//! `debug-image-snippet.component.html`.

use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap};

/// The policy for such files.
pub const SANDBOX: &str = "sandbox allow-scripts allow-popups";

/// Whether an answer with `headers` needs `SANDBOX`: its type runs, or may be taken for one that does, and no policy
/// that it has confines it as strictly.
#[must_use]
pub fn needs_sandbox(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    // Of several types nobody knows which one a browser takes; without any, `nosniff` keeps it from being a page.
    let runs = match (types.next(), types.next()) {
        (None, _) => false,
        (Some(kind), None) => is_page(kind),
        (Some(_), Some(_)) => true,
    };
    runs && !headers.get_all(CONTENT_SECURITY_POLICY).iter().any(confines)
}

fn is_page(kind: &HeaderValue) -> bool {
    let Ok(text) = kind.to_str() else { return true };
    let essence = text.split([';', ',']).next().unwrap_or_default().trim();
    let Some((_, subtype)) = essence.split_once('/') else { return true };
    let is = |name: &str| subtype.eq_ignore_ascii_case(name);
    let ends_with_xml =
        subtype.len() >= 4 && subtype.get(subtype.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case("+xml"));
    // Two types in one value: browsers take the last.
    is("html")
        || is("xml")
        || is("xsl")
        || is("x-mixed-replace")
        || is("vnd.wap.xhtml")
        || ends_with_xml
        || text.contains(',')
}

/// Whether `value`, which may hold several policies, has one with a sandbox that does not let the origin through.
fn confines(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| {
        text.split([',', ';']).any(|directive| {
            let mut words = directive.split_ascii_whitespace();
            words.next().is_some_and(|name| name.eq_ignore_ascii_case("sandbox"))
                && !words.any(|word| word.eq_ignore_ascii_case("allow-same-origin"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(fields: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        needs_sandbox(&headers)
    }

    #[test]
    fn types_that_run_are_known_in_every_spelling() {
        for kind in [
            "text/html",
            "text/html; charset=utf-8",
            "Text/HTML;charset=UTF-8",
            " text/html ",
            "text/html;",
            "application/xhtml+xml",
            "image/svg+xml; charset=utf-8",
            "IMAGE/SVG+XML",
            "text/xml",
            "application/xml",
            "application/rss+xml",
            "text/xsl",
            "multipart/x-mixed-replace; boundary=x",
            "html",
            "",
            "image/png, text/html",
        ] {
            assert!(needs(&[("content-type", kind)]), "{kind}");
        }
        assert!(needs(&[("content-type", "image/png"), ("content-type", "text/html")]));
    }

    #[test]
    fn types_that_do_not_run_are_left_alone() {
        for kind in [
            "image/png",
            "text/plain; charset=utf-8",
            "text/csv",
            "application/json",
            "application/octet-stream",
            "application/pdf",
            "application/x-htmlx",
            "video/mp4",
        ] {
            assert!(!needs(&[("content-type", kind)]), "{kind}");
        }
        assert!(!needs(&[]));
    }

    #[test]
    fn a_policy_is_not_said_twice_and_a_weaker_one_does_not_count() {
        for (policy, expected) in [
            (SANDBOX, false),
            ("SANDBOX", false),
            ("default-src 'none'; sandbox allow-forms", false),
            ("default-src 'none', sandbox", false),
            ("default-src 'none'", true),
            ("sandbox allow-scripts allow-same-origin", true),
            ("sandboxed", true),
        ] {
            assert_eq!(
                needs(&[("content-type", "text/html"), ("content-security-policy", policy)]),
                expected,
                "{policy}"
            );
        }
    }
}
