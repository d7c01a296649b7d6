//! The dashboard: one page that shows the feed, and the files it is made of.
//!
//! They stand in the program, so there is nothing to install and nothing that is fetched from elsewhere. Its rules are
//! as strict as they can be: no script but this one, no style but this one, no other place to talk to.

/// What the page may do.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The file at `path` with its kind.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("dashboard/page.html")),
        "/dashboard.css" => ("text/css; charset=utf-8", include_str!("dashboard/style.css")),
        "/dashboard.js" => ("text/javascript; charset=utf-8", include_str!("dashboard/dashboard.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("dashboard/icon.svg")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_nothing_inline_and_names_only_its_own_files() {
        let (_, page) = file("/").unwrap();
        for forbidden in ["<style", " style=", " onclick=", " onload=", "http:", "https:", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let links = page.split("href=\"").skip(1).chain(page.split("src=\"").skip(1));
        let names = links.map(|rest| rest.split('"').next().unwrap()).filter(|name| !name.starts_with('#'));
        for name in names {
            assert!(file(&format!("/{name}")).is_some(), "{name}");
        }
        assert_eq!(page.matches("<script").count(), 1);
    }

    #[test]
    fn nothing_from_the_network_becomes_markup() {
        let (_, script) = file("/dashboard.js").unwrap();
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!script.contains(forbidden), "{forbidden}");
        }
    }
}
