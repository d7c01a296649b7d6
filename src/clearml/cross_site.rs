//! Which requests a foreign page makes with a signed-in person's browser.
//!
//! The API server takes every action as a GET with its arguments in the query, lets any origin read its answers, and
//! its cookie goes along with links: a page that a signed-in person opens could act in their name. Browsers say which
//! page a request is from; SDKs, agents and scripts say nothing of the kind and are never concerned.
//!
//! Owns: the verdict. Leaves: which pages are the web UI's to the caller. A request without a cookie has nothing that
//! a foreign page could use, and a preflight never has one.
//!
//! Source: Fetch Metadata Request Headers (W3C), Fetch Standard section 3.2; clearml-server
//! `apiserver/server_init/request_handlers.py`.

use crate::domain::names::ServiceName;
use crate::domain::page_origin::PageOrigin;
use crate::domain::settings::CrossSite;
use http::header::{COOKIE, HeaderMap, ORIGIN, REFERER};
use http::{HeaderValue, Method};

/// What is said of the page that a request may be from, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageVerdict {
    /// It may make the request, or there is none.
    Passes(&'static str),
    /// It is a foreign one.
    Foreign(&'static str),
}

/// Judges the page that a request for `service` is from. `own` tells the pages of the web UI.
///
/// Browsers without `Sec-Fetch-Site` (before 2023) are judged by `Origin`, and on the API by `Referer`.
#[must_use]
pub fn judge_page(
    service: ServiceName,
    method: &Method,
    headers: &HeaderMap,
    rules: &CrossSite,
    own: impl Fn(&PageOrigin) -> bool,
) -> PageVerdict {
    use PageVerdict::{Foreign, Passes};
    if service == ServiceName::App || method == Method::OPTIONS {
        return Passes("the web UI itself and preflights are nobody's risk");
    }
    if !headers.contains_key(COOKIE) {
        return Passes("it carries no cookie, so no page can use somebody's login");
    }
    let site = Relation::of(headers);
    // The address bar, a bookmark, and what the page's own host serves.
    match site {
        Relation::Typed => return Passes("no page made it (Sec-Fetch-Site)"),
        Relation::SameOrigin => return Passes("its page is of the same host (Sec-Fetch-Site)"),
        Relation::Untold | Relation::SameSite | Relation::CrossSite => {}
    }
    let known = |page: &PageOrigin| own(page) || rules.allowed_pages.contains(page);
    let reads = method == Method::GET || method == Method::HEAD;
    let file = service == ServiceName::Files && reads;
    match (page_in(headers, &ORIGIN, PageOrigin::parse), page_in(headers, &REFERER, PageOrigin::of_url)) {
        (Page::Named(page), _) if known(&page) => Passes("its Origin is the web UI or an allowed page"),
        (Page::Named(_) | Page::Unknown, _) => Foreign("its Origin is another page"),
        (Page::Untold, Page::Named(page)) if known(&page) => Passes("its Referer is the web UI or an allowed page"),
        // An image of a file in another page of the same site: nothing changes, and that page cannot read it.
        (Page::Untold, _) if file && site != Relation::CrossSite => {
            Passes("it reads a file, and no Sec-Fetch-Site names another site")
        }
        (Page::Untold, _) if file && rules.file_links && opens_page(headers) => {
            Passes("it follows a link to a file, which other pages may have")
        }
        // Nobody says that a browser sent it.
        (Page::Untold, Page::Untold) if site == Relation::Untold => Passes("nothing in it tells of a page"),
        (Page::Untold, Page::Untold) => Foreign("its page is another one or is kept secret (Sec-Fetch-Site)"),
        (Page::Untold, Page::Named(_) | Page::Unknown) => Foreign("its Referer is another page"),
    }
}

/// How the page that a request is from stands to where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Untold,
    Typed,
    SameOrigin,
    SameSite,
    CrossSite,
}

impl Relation {
    fn of(headers: &HeaderMap) -> Self {
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            None => Self::Untold,
            Some(b"none") => Self::Typed,
            Some(b"same-origin") => Self::SameOrigin,
            Some(b"same-site") => Self::SameSite,
            Some(_) => Self::CrossSite,
        }
    }
}

/// What a field says about the page.
enum Page {
    Untold,
    Unknown,
    Named(PageOrigin),
}

fn page_in<E>(
    headers: &HeaderMap,
    name: &http::header::HeaderName,
    parse: impl Fn(&str) -> Result<PageOrigin, E>,
) -> Page {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Page::Untold,
        (Some(value), None) => value.to_str().ok().and_then(|text| parse(text).ok()).map_or(Page::Unknown, Page::Named),
        (Some(_), Some(_)) => Page::Unknown,
    }
}

/// A link that was followed, in a window or tab of its own.
fn opens_page(headers: &HeaderMap) -> bool {
    let is = |name, value| headers.get(name).is_some_and(|told| told == value);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceName::{Api, App, Files};

    const COOKIE_LINE: (&str, &str) = ("cookie", "clearml_token_basic=x");
    const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
    const SAME_SITE: (&str, &str) = ("sec-fetch-site", "same-site");
    const UI: (&str, &str) = ("origin", "https://app.ml.corp");
    const EVIL: (&str, &str) = ("origin", "https://evil.example");
    const LINK: [(&str, &str); 3] = [CROSS, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

    fn refused_by(rules: &CrossSite, service: ServiceName, method: &str, fields: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(http::header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let own = |page: &PageOrigin| page.host() == "app.ml.corp";
        matches!(judge_page(service, &method.parse().unwrap(), &headers, rules, own), PageVerdict::Foreign(_))
    }

    fn refused(service: ServiceName, method: &str, fields: &[(&str, &str)]) -> bool {
        let with_cookie = [&[COOKIE_LINE], fields].concat();
        let refused = refused_by(&CrossSite::default(), service, method, &with_cookie);
        assert!(!refused_by(&CrossSite::default(), service, method, fields), "without a cookie: {fields:?}");
        refused
    }

    #[test]
    fn clients_that_are_no_browsers_pass() {
        for service in [Api, Files] {
            for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"] {
                assert!(!refused(service, method, &[]), "{service} {method}");
                assert!(!refused(service, method, &[("authorization", "Bearer x")]), "{service} {method}");
            }
        }
    }

    #[test]
    fn the_web_ui_and_the_address_bar_pass() {
        for fields in [
            &[SAME_SITE, UI][..],
            &[CROSS, UI],
            &[UI],
            &[SAME_SITE, ("referer", "https://app.ml.corp/projects/1?x")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "same-origin"), UI],
            &[("referer", "https://app.ml.corp/")],
        ] {
            for (service, method) in [(Api, "GET"), (Api, "POST"), (Files, "GET"), (Files, "DELETE"), (Files, "POST")] {
                assert!(!refused(service, method, fields), "{service} {method} {fields:?}");
            }
        }
    }

    #[test]
    fn foreign_pages_are_refused_on_the_api() {
        for fields in [
            &[CROSS][..],
            &[EVIL],
            &[CROSS, EVIL],
            &[SAME_SITE, EVIL],
            &[SAME_SITE, ("origin", "https://files.ml.corp")],
            &[SAME_SITE],
            &[SAME_SITE, ("referer", "https://wiki.corp/a")],
            &[("origin", "null")],
            &[UI, EVIL],
            &[("origin", "https://app.ml.corp.evil.example")],
            &[("referer", "https://evil.example/app.ml.corp")],
            &[("sec-fetch-site", "made-up")],
            &LINK,
        ] {
            for method in ["GET", "POST", "HEAD"] {
                assert!(refused(Api, method, fields), "{method} {fields:?}");
                assert!(!refused(App, method, fields), "{method} {fields:?}");
            }
            assert!(!refused(Api, "OPTIONS", fields), "{fields:?}");
        }
    }

    #[test]
    fn files_may_be_linked_to_but_neither_changed_nor_fetched_by_foreign_pages() {
        for (method, fields, expected) in [
            ("GET", &LINK[..], false),
            ("HEAD", &LINK, false),
            ("POST", &LINK, true),
            ("DELETE", &LINK, true),
            ("GET", &[CROSS, ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], true),
            ("GET", &[CROSS, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], true),
            ("GET", &[CROSS], true),
            ("GET", &[EVIL], true),
            ("GET", &[SAME_SITE, EVIL], true),
            ("GET", &[SAME_SITE], false),
            ("GET", &[SAME_SITE, ("referer", "https://wiki.corp/a")], false),
            ("POST", &[SAME_SITE], true),
            ("POST", &[EVIL], true),
            ("DELETE", &[SAME_SITE, ("origin", "null")], true),
            ("GET", &[("referer", "https://wiki.corp/a")], false),
        ] {
            assert_eq!(refused(Files, method, fields), expected, "{method} {fields:?}");
        }
    }

    #[test]
    fn the_rules_can_be_widened_and_narrowed() {
        let page = |text| PageOrigin::parse(text).unwrap();
        let wide = CrossSite { allowed_pages: vec![page("https://wiki.corp")], ..CrossSite::default() };
        let narrow = CrossSite { file_links: false, ..CrossSite::default() };
        for (rules, service, fields, expected) in [
            (&wide, Api, &[COOKIE_LINE, CROSS, ("origin", "https://wiki.corp")][..], false),
            (&wide, Files, &[COOKIE_LINE, CROSS, ("referer", "https://wiki.corp/a")], false),
            (&wide, Api, &[COOKIE_LINE, CROSS, ("origin", "http://wiki.corp")], true),
            (&wide, Api, &[COOKIE_LINE, CROSS, ("origin", "https://wiki.corp:8443")], true),
            (&narrow, Files, &[COOKIE_LINE, LINK[0], LINK[1], LINK[2]], true),
        ] {
            assert_eq!(refused_by(rules, service, "GET", fields), expected, "{service} {fields:?}");
        }
    }
}
