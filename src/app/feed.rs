//! The feed: the running parts as plain data for the dashboard and its kin.

use super::running::Running;
use crate::admin::{
    BusiestView, BusyView, ErrorsView, ExplainedView, FEED_VERSION, FeedView, LineView, Minute, RequestView,
    SecondView, SeriesView, UploadView, UploadsView, headline, service_title, timestamp,
};
use crate::domain::entrance::Entrance;
use crate::domain::names::{Authority, ServiceName};
use crate::domain::settings::{Balance, Layout};
use crate::runtime::{now, wall};
use crate::telemetry::{Busy, Line, RecentRequest, SECONDS, Second, UploadUnderWay};
use std::time::Duration;

/// Requests of each kind that are shown; more are kept.
const ERRORS_SHOWN: usize = 30;

/// Uploads that are shown; of the others only the number is told.
const UPLOADS_SHOWN: usize = 100;

/// Actions and workers that are shown.
const BUSIEST_SHOWN: usize = 12;

/// What the headline looks back on.
const MINUTE: usize = 60;

impl Running {
    /// Everything, with the seconds from `after` on.
    pub(super) fn feed(&self, after: u64) -> FeedView {
        let status = self.status();
        let minutes = ServiceName::ALL.map(|service| {
            let Line { requests, failed, .. } = self.history.sum(service as usize, MINUTE);
            Minute { requests, failed }
        });
        let (actions, workers) = self.history.busiest(BUSIEST_SHOWN);
        let busiest = |all: Vec<Busy>| all.into_iter().map(busy_view).collect();
        let (ours, clients) = self.recents.errors(ERRORS_SHOWN);
        let errors = |all: Vec<RecentRequest>| all.into_iter().map(request_view).collect();
        let uploads = self.recents.uploads();
        FeedView {
            version: FEED_VERSION,
            at: timestamp(wall()),
            headline: headline(&status, &minutes),
            status,
            series: SeriesView {
                next: self.history.next(),
                kept: SECONDS,
                seconds: self.history.from(after).map(second_view).collect(),
            },
            busiest: BusiestView { actions: busiest(actions), workers: busiest(workers) },
            uploads: UploadsView {
                count: uploads.len(),
                list: uploads.into_iter().take(UPLOADS_SHOWN).map(upload_view).collect(),
            },
            errors: ErrorsView { ours: errors(ours), clients: errors(clients) },
        }
    }

    /// One request that is over, with the reasons for its way.
    ///
    /// # Errors
    /// Why it is not there.
    pub(super) fn explain(&self, id: &str) -> Result<ExplainedView, String> {
        let settings = &self.picture.settings;
        let kept = &settings.recent;
        let request = self.recents.find(id).ok_or_else(|| {
            let uptime = now().saturating_duration_since(self.started).as_secs();
            format!(
                "no request with this id is kept. This process, running for {uptime} s, keeps the last {} requests \
                 (recent.requests) and the last {} errors of each kind (recent.errors), and a request appears once its \
                 answer is over; the access log has them all",
                kept.requests, kept.errors
            )
        })?;
        let rule = rule(&settings.layout, &request);
        let choice = request.facts.service.and_then(|service| self.choice(service, &request));
        Ok(ExplainedView { request: request_view(request), rule, choice })
    }

    /// Why it went to its target.
    fn choice(&self, service: ServiceName, request: &RecentRequest) -> Option<String> {
        if request.target.is_empty() {
            return None;
        }
        let own = self.picture.settings.services.get(service);
        let mut text = match (own.targets.len(), own.balance) {
            (1, _) => String::from("the only target of its service"),
            (count, Balance::LeastOutstanding) => format!("the less loaded of two, drawn from {count} by weight"),
            (count, Balance::RoundRobin) => format!("its turn among {count} targets"),
        };
        if request.facts.attempts > 1 {
            let tries = request.facts.attempts;
            text.push_str(&format!("; sent {tries} times, because earlier connections took no byte of it"));
        }
        Some(text)
    }
}

/// Why the request went to its service, by the configuration of now.
fn rule(layout: &Layout, request: &RecentRequest) -> String {
    let Some(service) = request.facts.service else {
        return String::from("it reached no service");
    };
    let title = service_title(service.as_str());
    if let Some(port) = request.facts.listener.strip_prefix("legacy_") {
        return format!("a port of listeners.legacy.{port}: the {title}, whatever the host");
    }
    let Ok(Authority { host, .. }) = Authority::parse(&request.host) else {
        return format!("the {title}, by the host it named");
    };
    match Entrance::of(layout, host) {
        Some((_, ServiceName::App)) if service != ServiceName::App => {
            format!("host {host} with path /{service}: the {title}")
        }
        Some((Entrance::Domain(domain), _)) => format!("{service}. below the domain {domain}: the {title}"),
        Some((Entrance::Hosts(..), _)) => format!("host {host}, listed in hosts.{service}: the {title}"),
        Some((Entrance::Single(_), _)) => format!("host {host}, listed in single_domain: the {title}"),
        None => format!("the {title}; the configuration has changed since, and host {host} leads nowhere now"),
    }
}

fn second_view(second: &Second) -> SecondView {
    let [app, api, files, none] = second.lines.map(|line| line_view(&line));
    let ms = u64::try_from(second.length.as_millis()).unwrap_or(u64::MAX);
    SecondView { n: second.number, ms, bytes_in: second.bytes_in, bytes_out: second.bytes_out, app, api, files, none }
}

fn line_view(line: &Line) -> LineView {
    let Line { requests, refused, failed, quantiles } = *line;
    LineView { requests, refused, failed, quantiles_ms: quantiles.map(|all| all.map(millis)) }
}

fn busy_view(busy: Busy) -> BusyView {
    let Busy { name, requests, failed, bytes_in, bytes_out, quantiles } = busy;
    BusyView { name, requests, failed, bytes_in, bytes_out, quantiles_ms: quantiles.map(|all| all.map(millis)) }
}

fn upload_view(upload: UploadUnderWay) -> UploadView {
    UploadView {
        id: upload.id,
        service: upload.service.map(|service| service.to_string()),
        action: upload.action.map(|action| action.name().to_owned()),
        client: upload.client.to_string(),
        worker: some(upload.worker),
        path: upload.path,
        seconds: millis(now().saturating_duration_since(upload.begun)) / 1_000.0,
        length: upload.length,
        bytes: upload.bytes,
    }
}

fn request_view(request: RecentRequest) -> RequestView {
    let (side, explanation) = explanation(&request);
    let RecentRequest { id, method, host, path, worker, client_version, target, facts, .. } = request;
    RequestView {
        id,
        at: timestamp(facts.at),
        listener: facts.listener.to_owned(),
        protocol: facts.protocol.to_owned(),
        method,
        host,
        path,
        service: facts.service.map(|service| service.to_string()),
        action: facts.action.map(|action| action.name().to_owned()),
        status: facts.status,
        side: side.map(str::to_owned),
        fault: facts.fault.map(|kind| kind.code().to_owned()),
        explanation,
        client: facts.client.to_string(),
        program: facts.program.as_str().to_owned(),
        client_version: some(client_version),
        worker: some(worker),
        target: some(target),
        attempts: facts.attempts,
        queue_ms: facts.queue.map(millis),
        connect_ms: facts.connect.map(millis),
        first_byte_ms: facts.first_byte.map(millis),
        total_ms: millis(facts.total),
        bytes_in: facts.bytes_in,
        bytes_out: facts.bytes_out,
        upgraded: facts.upgraded,
    }
}

/// Whose fault it was, and what went wrong.
fn explanation(request: &RecentRequest) -> (Option<&'static str>, Option<String>) {
    let facts = &request.facts;
    match facts.fault {
        Some(kind) if request.detail.is_empty() => (Some(kind.side().as_str()), Some(kind.public().to_owned())),
        Some(kind) => (Some(kind.side().as_str()), Some(format!("{} ({})", kind.public(), request.detail))),
        None if facts.status >= 500 => {
            let title = facts.service.map_or("service", |service| service_title(service.as_str()));
            (Some("target"), Some(format!("The {title} itself answered {}.", facts.status)))
        }
        None => (None, None),
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Milliseconds with three places.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
