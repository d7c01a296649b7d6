//! Asked: what a request is for in the end, and which rules of `protection` concern it.
//!
//! Owns: the questions that need the head alone. `protect` acts on the answers, `preview` tells them. Leaves: what
//! ClearML's servers and clients do to `clearml`.

use crate::clearml::{LoginTry, PageVerdict, cors_origin, detour, judge_page, needs_no_token, removes_files};
use crate::domain::names::ServiceName;
use crate::domain::page_origin::PageOrigin;
use crate::domain::route::Route;
use crate::domain::settings::{Protection, Settings};
use http::{HeaderMap, Method};
use std::borrow::Cow;

/// What a request is for in the end, which the web server may be asked to pass on.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) service: ServiceName,
    /// As that service gets it, without the query.
    path: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    /// Of a request for `path` (without the query) that goes `route`.
    pub(super) fn of(route: Route, path: &'a str) -> Self {
        match route.service {
            ServiceName::App => detour(path)
                .map(|(service, path)| Self { service, path: path.into() })
                .unwrap_or(Self { service: ServiceName::App, path: path.into() }),
            service => Self { service, path: route.target(path) },
        }
    }

    /// What the cross-site guard says of it on `host`; `None` where it does not look.
    pub(super) fn page(
        &self,
        settings: &Settings,
        host: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<PageVerdict> {
        let rules = &settings.protection.cross_site;
        let own = |page: &PageOrigin| {
            page.host().eq_ignore_ascii_case(host) || cors_origin(&settings.layout, &page.to_string(), host)
        };
        let looked_at = rules.refuse && self.service != ServiceName::App;
        looked_at.then(|| judge_page(self.service, method, headers, rules, own))
    }

    /// Whether it removes files where that is refused, but for the addresses that may.
    pub(super) fn removes(&self, rules: &Protection, method: &Method) -> bool {
        self.service == ServiceName::Files && rules.files.refuse_removal && removes_files(method.as_str(), &self.path)
    }

    /// Whether it is let through the token gate only with a token.
    pub(super) fn needs_token(&self, rules: &Protection, method: &Method, headers: &HeaderMap) -> bool {
        self.service == ServiceName::Files && rules.token_gate.enabled && !needs_no_token(method, &self.path, headers)
    }

    /// The login that it tries, where the shield counts them.
    pub(super) fn login(&self, rules: &Protection, method: &Method, headers: &HeaderMap) -> Option<LoginTry> {
        let counted = self.service == ServiceName::Api && rules.logins.shield;
        counted.then(|| LoginTry::of(method, &self.path, headers)).flatten()
    }
}
