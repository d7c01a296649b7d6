//! Protect: which requests are refused although they are well formed.
//!
//! Owns: the order of the checks. Leaves: which of them concern a request to `asked`, what is remembered between requests
//! to `gate` and `logins`.

use super::asked::Asked;
use super::guard::Checked;
use super::logins::Attempt;
use super::scope::{Scope, Worker};
use super::site::Site;
use crate::clearml::{
    PageVerdict, SECRET_REMEDY, TOKEN_QUESTION, TokenVerdict, bearer, published_secret_of, token_set_by, token_verdict,
    tokens_of,
};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::names::ServiceName;
use crate::runtime::Deadline;
use crate::telemetry::{Counter, KeyWatch};
use crate::upstream::{Question, inquire};
use http::{HeaderMap, StatusCode};
use std::net::IpAddr;
use std::time::Duration;

/// Between two questions about a token that were not answered.
const ASK_AGAIN: Duration = Duration::from_millis(500);

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
    if let Some(PageVerdict::Foreign(why)) = asked.page(&site.settings, checked.host(), method, headers) {
        return Err(Fault::new(FaultKind::CrossSite, why));
    }
    if asked.removes(rules, method) && !rules.files.removal_from.contains(client) {
        return Err(Fault::new(FaultKind::RemovalRefused, format!("the client is {client}")));
    }
    if asked.needs_token(rules, method, headers) {
        // Apart from the request's own future, which would be larger with the gate off as well.
        Box::pin(pass_gate(&scope.worker, site, headers, client)).await?;
    }
    let Some(tried) = asked.login(rules, method, headers) else { return Ok(None) };
    let worker = &scope.worker;
    Box::pin(worker.shield.logins.admit(tried, client, &rules.logins, &worker.metrics)).await.map(Some)
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
