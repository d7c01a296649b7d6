//! Protect: which requests are refused although they are well formed.
//!
//! Owns: the order of the checks. Leaves: what ClearML's servers and clients do to `clearml`, what is remembered between
//! requests to `gate` and `logins`.

use super::guard::Checked;
use super::logins::Attempt;
use super::scope::{Scope, Worker};
use super::site::Site;
use crate::clearml::{
    LoginTry, SECRET_REMEDY, TOKEN_QUESTION, TokenVerdict, bearer, cors_origin, detour, foreign_page, needs_no_token,
    published_secret_of, removes_files, token_set_by, token_verdict, tokens_of,
};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::domain::page_origin::PageOrigin;
use crate::domain::route::Route;
use crate::runtime::Deadline;
use crate::telemetry::{Counter, KeyWatch};
use crate::upstream::{Question, inquire};
use http::{HeaderMap, StatusCode};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

/// Between two questions about a token that were not answered.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a request is for in the end, which the web server may be asked to pass on.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) service: ServiceName,
    /// As that service gets it, without the query.
    path: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(route: Route, checked: &'a Checked) -> Self {
        let through_web = || detour(checked.path());
        match route.service {
            ServiceName::App => through_web()
                .map(|(service, path)| Self { service, path: path.into() })
                .unwrap_or(Self { service: ServiceName::App, path: checked.path().into() }),
            service => Self { service, path: route.target(checked.path()) },
        }
    }
}

/// Checks one request from `client`. A login that may go on is told how it ended.
///
/// # Errors
/// `CrossSite` or `RemovalRefused` (403), `TokenRequired` (401), `TokenUnchecked` (503), `TooManyLogins` (429).
///
/// # Cancel safety
/// Nothing is lost when dropped.
pub(super) async fn check(
    scope: &Scope,
    site: &Site,
    asked: Asked<'_>,
    checked: &Checked,
    client: IpAddr,
) -> Result<Option<Attempt>, Fault> {
    let rules = &site.settings.protection;
    let request = checked.request();
    let (method, headers) = (request.method(), request.headers());
    let Asked { service, path } = asked;
    if service != ServiceName::App && rules.cross_site.refuse {
        let own = |page: &PageOrigin| {
            page.host().eq_ignore_ascii_case(checked.host())
                || cors_origin(&site.settings.layout, &page.to_string(), checked.host())
        };
        if let Some(why) = foreign_page(service, method, headers, &rules.cross_site, own) {
            return Err(Fault::new(FaultKind::CrossSite, why));
        }
    }
    match service {
        ServiceName::App => Ok(None),
        ServiceName::Api if rules.logins.shield => match LoginTry::of(method, &path, headers) {
            Some(tried) => {
                let worker = &scope.worker;
                Box::pin(worker.shield.logins.admit(tried, client, &rules.logins, &worker.metrics)).await.map(Some)
            }
            None => Ok(None),
        },
        ServiceName::Api => Ok(None),
        ServiceName::Files => {
            let files = &rules.files;
            if files.refuse_removal && removes_files(method.as_str(), &path) && !files.removal_from.contains(client) {
                return Err(Fault::new(FaultKind::RemovalRefused, format!("the client is {client}")));
            }
            if rules.token_gate.enabled && !needs_no_token(method, &path, headers) {
                // Apart from the request's own future, which would be larger with the gate off as well.
                Box::pin(pass_gate(&scope.worker, site, checked.headers(), client)).await?;
            }
            Ok(None)
        }
    }
}

/// Lets a request through that carries a token which the API server accepts. Nothing of its body is read before.
async fn pass_gate(worker: &Worker, site: &Site, headers: &HeaderMap, client: IpAddr) -> Result<(), Fault> {
    let rules = &site.settings.protection.token_gate;
    let tokens = tokens_of(headers, &rules.cookies);
    let mut why = "no token is in the request";
    for token in tokens {
        let deadline = Deadline::after(rules.timeout);
        let ask = ask_api(site, token, client, deadline);
        match worker.shield.gate.verdict(token, rules, &worker.metrics, deadline, ask).await {
            TokenVerdict::Accepted => return Ok(()),
            TokenVerdict::Refused => why = "the API server refuses the token",
            TokenVerdict::Unknown => {
                let detail = "the API server gave no answer that says whether the token is good";
                return Err(Fault::new(FaultKind::TokenUnchecked, detail));
            }
        }
    }
    worker.metrics.add(Counter::TokensRefused, 1);
    Err(Fault::new(FaultKind::TokenRequired, why))
}

async fn ask_api(site: &Site, token: &str, client: IpAddr, deadline: Deadline) -> TokenVerdict {
    let authorization = bearer(token);
    let question = Question { path: TOKEN_QUESTION, authorization: &authorization, body: "", client: Some(client) };
    loop {
        // Most verdicts are remembered, and then there is no inquiry to make room for.
        let told = Box::pin(inquire(&site.connector, site.groups.get(ServiceName::Api), question, deadline)).await;
        let verdict = told.as_ref().map_or(TokenVerdict::Unknown, |told| token_verdict(told.status, &told.body));
        if verdict != TokenVerdict::Unknown {
            return verdict;
        }
        tracing::debug!(error = told.err().map(tracing::field::display), "a token could not be checked");
        // The API server may be starting, and an upload that is refused is one that may be lost.
        if deadline.left() <= ASK_AGAIN {
            return TokenVerdict::Unknown;
        }
        Deadline::after(ASK_AGAIN).wait().await;
    }
}

/// Tells a login how the API server answered it.
pub(super) fn settle(scope: &Scope, attempt: Attempt, status: StatusCode, headers: &HeaderMap) {
    let good = attempt.answered(status);
    let Some(token) = token_set_by(headers).filter(|_| good) else { return };
    watch_secret(&scope.worker.shield.keys, token);
}

/// A token that the API server has just signed shows whether anybody could have.
fn watch_secret(keys: &KeyWatch, token: &str) {
    let found = published_secret_of(token).map(|secret| secret.name);
    if keys.set_token_secret(found)
        && let Some(published_by) = found
    {
        tracing::warn!(published_by, remedy = SECRET_REMEDY, "login tokens are signed with a published secret");
    }
}
