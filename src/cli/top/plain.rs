//! Plain: the feed as text, for pipes and for terminals that are none.

use super::super::status::columns;
use super::panel::percent;
use super::words::{as_float, bytes, millis, rate, time_of_day};
use crate::admin::{BusyView, FeedView, LineView, RequestView, SecondView, UploadView};

/// The seconds that a rate is of.
const SECONDS: usize = 60;

/// One service's line of a second.
type Read = fn(&SecondView) -> &LineView;

/// Everything, once.
pub(super) fn text(feed: &FeedView) -> String {
    let mut parts = vec![feed.headline.text.clone()];
    parts.extend(feed.headline.notes.iter().map(|note| format!("  {note}")));
    parts.push(String::new());
    parts.push(services(feed));
    let BusyTables { actions, workers } = busiest(feed);
    let uploads = feed.uploads.list.iter().map(upload);
    let errors = feed.errors.ours.iter().chain(&feed.errors.clients).map(error);
    for (rows, head) in [
        (uploads.collect(), vec!["UPLOAD", "SENT", "OF", "FROM", "PATH"]),
        (actions, vec!["ACTION", "REQ/MIN", "FAILED", "HALF", "95 %"]),
        (workers, vec!["WORKER", "REQ/MIN", "FAILED", "SENT", "RECEIVED"]),
        (errors.collect::<Vec<_>>(), vec!["AT (UTC)", "SIDE", "CODE", "ACTION", "ID", "WHAT"]),
    ] {
        if !rows.is_empty() {
            parts.push(columns(rows.into_iter(), &head));
        }
    }
    parts.join("\n").trim_end().to_owned()
}

fn services(feed: &FeedView) -> String {
    let recent = feed.series.seconds.iter().rev().take(SECONDS).collect::<Vec<_>>();
    let millis_in_all = recent.iter().map(|second| second.ms).sum::<u64>();
    let row = |(name, read): (&str, Read)| {
        let count = |count: fn(&LineView) -> u64| recent.iter().map(|second| count(read(second))).sum::<u64>();
        let (requests, failed) = (count(|line| line.requests), count(|line| line.failed));
        let a_second = if millis_in_all == 0 { 0.0 } else { as_float(requests) * 1_000.0 / as_float(millis_in_all) };
        let times = recent.iter().find_map(|second| read(second).quantiles_ms);
        let [half, most, _] = times.map_or_else(Default::default, |times| times.map(millis));
        let targets =
            feed.status.services.iter().filter(|service| service.name == name).flat_map(|service| &service.targets);
        let states = targets.map(|target| format!("{} {}", target.address, target.state)).collect::<Vec<_>>();
        vec![name.to_owned(), rate(a_second), failed.to_string(), half, most, states.join(", ")]
    };
    let lines: [(&str, Read); 3] =
        [("app", |second| &second.app), ("api", |second| &second.api), ("files", |second| &second.files)];
    columns(lines.into_iter().map(row), &["SERVICE", "REQ/S", "FAILED/MIN", "HALF", "95 %", "TARGETS"])
}

struct BusyTables {
    actions: Vec<Vec<String>>,
    workers: Vec<Vec<String>>,
}

fn busiest(feed: &FeedView) -> BusyTables {
    let begin = |busy: &BusyView| vec![busy.name.clone(), busy.requests.to_string(), busy.failed.to_string()];
    let actions = feed.busiest.actions.iter().map(|busy| {
        let times = busy.quantiles_ms.map_or_else(Default::default, |times| times.map(millis));
        begin(busy).into_iter().chain(times).collect()
    });
    let workers = feed.busiest.workers.iter().map(|busy| {
        begin(busy).into_iter().chain([bytes(as_float(busy.bytes_in)), bytes(as_float(busy.bytes_out))]).collect()
    });
    BusyTables { actions: actions.collect(), workers: workers.collect() }
}

fn upload(upload: &UploadView) -> Vec<String> {
    let share = percent(upload).map_or_else(String::new, |percent| format!("{percent} %"));
    let length = upload.length.map_or_else(String::new, |length| bytes(as_float(length)));
    let sender = upload.worker.clone().unwrap_or_else(|| upload.client.clone());
    vec![share, bytes(as_float(upload.bytes)), length, sender, upload.path.clone()]
}

fn error(request: &RequestView) -> Vec<String> {
    vec![
        time_of_day(&request.at).to_owned(),
        request.side.clone().unwrap_or_default(),
        request.status.to_string(),
        request.action.clone().unwrap_or_else(|| request.path.clone()),
        request.id.clone(),
        request.explanation.clone().unwrap_or_default(),
    ]
}
