//! Requests for the API or the file server that go through the web server.
//!
//! ClearML's web server is an nginx that passes `/api/...` and `/files/...` on to the other two. It decodes a path
//! before it looks at it, and its rules match more than whole segments: `/%61pi/x`, `//api/x` and `/apix/api/x` all
//! reach the API server. What is refused there must be refused here too.
//!
//! Source: clearml-server `docker/build/internal_files/clearml.conf.template`; nginx `ngx_http_parse.c`
//! (`ngx_http_parse_complex_uri`: decodes once, merges slashes, resolves dots).

use crate::domain::names::ServiceName;
use percent_encoding::percent_decode_str;

/// The service that the web server passes a request for `path` (without the query) on to, with the path that it gets.
/// `None` where the web server answers itself.
#[must_use]
pub fn detour(path: &str) -> Option<(ServiceName, String)> {
    let passed_on = [(ServiceName::Api, "/api"), (ServiceName::Files, "/files")];
    if is_plain(path) && passed_on.iter().all(|(_, prefix)| !path.starts_with(prefix)) {
        return None;
    }
    let path = normal(path);
    let (service, prefix) = passed_on.into_iter().find(|(_, prefix)| path.starts_with(prefix))?;
    let rest = path.find(&format!("{prefix}/")).and_then(|at| path.get(at + prefix.len()..));
    Some((service, rest.unwrap_or(&path).to_owned()))
}

/// Whether nothing in it is spelled in another way than the web server reads it: no `%`, no `//`, no `/.`. Looked at for
/// every request, so in one pass.
fn is_plain(path: &str) -> bool {
    let mut before = 0;
    path.bytes().all(|byte| {
        let odd = byte == b'%' || (before == b'/' && matches!(byte, b'/' | b'.'));
        before = byte;
        !odd
    })
}

fn normal(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut kept: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    let end = if decoded.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ServiceName::{Api, Files};

    #[test]
    fn every_way_through_the_web_server_is_seen() {
        for (path, service, rest) in [
            ("/%61pi/auth.login", Api, "/auth.login"),
            ("//api/auth.login", Api, "/auth.login"),
            ("/x/../api/auth.login", Api, "/auth.login"),
            ("/./api/auth.login", Api, "/auth.login"),
            ("/%2Fapi/auth.login", Api, "/auth.login"),
            ("/api%2Fauth.login", Api, "/auth.login"),
            ("/apix/api/auth.login", Api, "/auth.login"),
            ("/api.json", Api, "/api.json"),
            ("/file%73/delete_many", Files, "/delete_many"),
            ("/filesx/files/delete_many", Files, "/delete_many"),
            ("//files/", Files, "/"),
        ] {
            assert_eq!(detour(path), Some((service, rest.to_owned())), "{path}");
        }
    }

    #[test]
    fn the_web_ui_s_own_paths_are_no_detour() {
        for path in
            ["/", "", "*", "/login", "/projects/1/api/x", "/assets/files/a.js", "/x%20y", "/xapi/", "//x", "/..%2f"]
        {
            assert_eq!(detour(path), None, "{path}");
        }
    }
}
