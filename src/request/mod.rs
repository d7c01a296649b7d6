//! One request, from checked head to last body byte. `handle` is the main path: read it first.
//!
//! Owns: the order guard, route, place, protect, admit, forward, polish, held by types: `Checked`, `Admitted`, `Outgoing`, `Lease`.
//! Leaves: what ClearML expects to `clearml`, sockets to `connection` and `upstream`.

mod admit;
mod answer_body;
mod asked;
mod client_auth;
mod client_body;
mod forward;
mod gate;
mod gather;
mod guard;
mod hold;
mod ids;
mod lead;
mod logins;
mod maintenance;
mod memory;
mod outgoing;
mod polish;
mod preview;
mod protect;
mod rescue;
mod respond;
mod scope;
mod shield;
mod site;
mod trace;
mod turn;
mod upgrade;
mod upload;
mod verdicts;
mod web_configuration;

pub use answer_body::{AnswerBody, AnswerError};
pub use lead::{lead_to_https, plain_on_tls};
pub use maintenance::{Maintenance, Notice};
pub use preview::{Check, End, Imagined, Preview, Said, preview};
pub use scope::{Common, Scope, Worker};
pub use shield::Shield;
pub use site::{Site, SitePlan};
pub use upload::{OutgoingBody, UploadError};

use crate::clearml::{Misplaced, correction, misplaced};
use crate::domain::fault::{Fault, FaultKind};
use crate::domain::route::Route;
use crate::telemetry::AccessRecord;
use asked::Asked;
use client_body::ClientBody;
use guard::Checked;
use http::{Request, Response};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::sync::Arc;

/// The life of one request.
///
/// # Errors
/// None: a fault becomes an answer.
///
/// # Cancel safety
/// Dropping the future closes the connection to the target; the record is written either way.
pub async fn handle(scope: Arc<Scope>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    let mut record = scope.record(&request);
    let site = scope.site();
    let asker = respond::Asker::of(&request, &scope, &site);
    let request = ClientBody::of(request, &site.leftovers, scope.link());
    Ok(match answer(&scope, &site, request, &mut record).await {
        Ok(answer) => answer.with_record(record, scope.link()),
        Err(fault) => respond::fault(fault, &asker, record),
    })
}

async fn answer(
    scope: &Scope,
    site: &Arc<Site>,
    request: Request<ClientBody>,
    record: &mut AccessRecord,
) -> Result<respond::Answer, Fault> {
    let mut checked = guard::check(request, &site.settings.limits, &scope.host)?;
    record.client = scope.client(site, checked.headers());
    let route = site.route(scope.facts.listener, &checked)?;
    scope::describe(record, route, checked.request());
    let trace = scope.trace(site, checked.headers(), record);
    if checked.asks_about_us() {
        return Ok(respond::options());
    }
    let asked = Asked::of(route, checked.path());
    record.client_certificate = client_auth::check(scope, site, &asked, &checked, record.wall)?;
    scope.worker.maintenance.pass(route.service, &checked, &site.settings.maintenance, &scope.worker.metrics).await?;
    refuse_misplaced(scope, site, route, &checked)?;
    let service = asked.service;
    // Before anything that may let it wait.
    let permit = admit::place(scope, site)?;
    let login = protect::check(scope, site, asked, &checked, record.client).await?;
    let told = web_configuration::asked(scope, site, route, &checked);
    if told.is_some() {
        checked.ask_for_all();
    }
    let remembered = polish::remember(site, service, &checked);
    let admitted = admit::admit(site, route, checked, permit)?;
    let outgoing = outgoing::prepare(admitted, scope, site, record, trace);
    let mut answer = if outgoing.websocket() {
        // Rare, as are the other boxes here: no other request keeps room for it.
        Box::pin(upgrade::open(scope, site, outgoing, record)).await
    } else {
        forward::send(scope, site, outgoing, record).await
    }?;
    if let Some(login) = login {
        protect::settle(scope, login, answer.0.status(), answer.0.headers());
    }
    if let Some(urls) = told {
        answer = Box::pin(web_configuration::complete(answer, &urls, scope)).await?;
    }
    polish::polish(&mut answer, &remembered, scope, site, record);
    Ok(answer)
}

/// Requests that a client's settings send to the wrong service are told the right one.
///
/// # Errors
/// `CallMisplaced` or `UploadMisplaced` (400).
fn refuse_misplaced(scope: &Scope, site: &Site, route: Route, checked: &Checked) -> Result<(), Fault> {
    let request = checked.request();
    let Some(what) = misplaced(route, request.method(), &route.target(checked.path()), request.headers()) else {
        return Ok(());
    };
    let kind = match what {
        Misplaced::Call => FaultKind::CallMisplaced,
        Misplaced::Upload => FaultKind::UploadMisplaced,
    };
    // A legacy port is reached under any name, so the host says nothing.
    let urls = match scope.facts.listener.is_legacy() {
        true => site.recommended_urls(scope.https_port),
        false => site.urls(checked),
    };
    Err(Fault::new(kind, correction(what, route.service, urls.as_ref())))
}
