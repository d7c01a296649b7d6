//! Headline: whether ClearML is well, in words that a person takes in at a glance.
//!
//! Pure rules over what is shown: the dashboard, `clearway top` and the feed say the same.

use super::views::{STOPPING, ServiceView, StatusView, TargetStatus};
use crate::domain::names::ServiceName;
use serde::{Deserialize, Serialize};

/// Failures of one service in the last minute that are more than chance.
const FAILED_MIN: u64 = 3;

/// And that many of a hundred requests.
const FAILED_PERCENT: u64 = 2;

/// How things are, the worst last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mood {
    /// Nothing to do.
    #[default]
    Well,
    /// It works, but somebody should look.
    Attention,
    /// A service is closed by an operator.
    Maintenance,
    /// Some requests fail.
    Trouble,
    /// A service cannot be reached.
    Down,
}

/// How ClearML is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headline {
    /// The worst of it.
    pub mood: Mood,
    /// In a sentence.
    pub text: String,
    /// What there is to say besides, the worst first.
    pub notes: Vec<String>,
}

/// One service's last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Its requests.
    pub requests: u64,
    /// Those that failed by the service's fault or the proxy's.
    pub failed: u64,
}

/// What there is to say of `status`, with the last minute of each of its services.
#[must_use]
pub fn headline(status: &StatusView, minutes: &[Minute]) -> Headline {
    let mut said: Vec<(Mood, String)> = Vec::new();
    for (service, minute) in status.services.iter().zip(minutes) {
        said.extend(of_service(service));
        said.extend(of_minute(service, *minute));
    }
    said.extend(status.alarms.iter().map(|alarm| (Mood::Attention, sentence(alarm))));
    if status.state == STOPPING {
        said.push((Mood::Attention, String::from("The proxy is stopping.")));
    }
    // Stable: services keep their order.
    said.sort_by_key(|(mood, _)| std::cmp::Reverse(*mood));
    let mood = said.first().map_or(Mood::Well, |(mood, _)| *mood);
    let text = summary(status, mood);
    Headline { mood, text, notes: said.into_iter().map(|(_, note)| note).collect() }
}

/// The service as people call it.
#[must_use]
pub fn service_title(name: &str) -> &'static str {
    match ServiceName::from_label(name) {
        Some(ServiceName::App) => "web UI",
        Some(ServiceName::Api) => "API server",
        Some(ServiceName::Files) => "file server",
        None => "service",
    }
}

fn summary(status: &StatusView, mood: Mood) -> String {
    let concerned = |fits: fn(&ServiceView) -> bool| {
        let names = status.services.iter().filter(|service| fits(service)).map(|service| service_title(&service.name));
        names.collect::<Vec<_>>()
    };
    match mood {
        Mood::Well => String::from("ClearML is well"),
        Mood::Attention => String::from("ClearML works; something needs a look"),
        Mood::Maintenance => closed(&concerned(|service| service.maintenance.is_some())),
        Mood::Trouble => String::from("ClearML has trouble"),
        Mood::Down => match concerned(is_down).as_slice() {
            all if all.len() == status.services.len() => String::from("ClearML is down"),
            [one] => format!("The {one} is down"),
            several => format!("{} are down", capital(&several.join(" and "))),
        },
    }
}

fn closed(names: &[&str]) -> String {
    match names {
        [one] => format!("The {one} is closed for maintenance"),
        [_, _, _, ..] => String::from("ClearML is closed for maintenance"),
        several => format!("{} are closed for maintenance", capital(&several.join(" and "))),
    }
}

/// Whether nobody answers, and no operator has said so.
fn is_down(service: &ServiceView) -> bool {
    service.maintenance.is_none() && service.targets.iter().all(|target| !may_answer(target))
}

fn may_answer(target: &TargetStatus) -> bool {
    !matches!(target.state.as_str(), "unreachable" | "drained")
}

fn is_fit(target: &TargetStatus) -> bool {
    matches!(target.state.as_str(), "up" | "warming")
}

fn of_service(service: &ServiceView) -> Vec<(Mood, String)> {
    let title = service_title(&service.name);
    if let Some(maintenance) = &service.maintenance {
        let reason = maintenance.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let end = maintenance.until.as_ref().map_or_else(String::new, |until| format!(" until {until}"));
        return vec![(Mood::Maintenance, sentence(&format!("the {title} is closed for maintenance{end}{reason}")))];
    }
    let down = is_down(service);
    let alone = service.targets.len() == 1;
    let mut said = Vec::new();
    for target in service.targets.iter().filter(|target| !is_fit(target)) {
        let what = match target.state.as_str() {
            "unreachable" => "does not answer",
            "drained" => "is drained by an operator and gets no new requests",
            "ejected" => "breaks requests off",
            _ => "gives bad answers to its probes",
        };
        let who = if alone { format!("the {title}") } else { format!("target {} of the {title}", target.address) };
        let reason = target.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let mood = match (down, target.state.as_str()) {
            (true, _) => Mood::Down,
            (false, "drained") => Mood::Attention,
            (false, _) => Mood::Trouble,
        };
        said.push((mood, sentence(&format!("{who} {what}{reason}"))));
    }
    if service.waiting > 0 {
        let note = format!("{} requests wait for the {title}", service.waiting);
        said.push((if down { Mood::Down } else { Mood::Attention }, sentence(&note)));
    }
    said
}

fn of_minute(service: &ServiceView, minute: Minute) -> Option<(Mood, String)> {
    let Minute { requests, failed } = minute;
    if failed == 0 {
        return None;
    }
    let title = service_title(&service.name);
    let many = failed >= FAILED_MIN && failed * 100 >= requests * FAILED_PERCENT;
    let note = format!("{failed} of {} requests to the {title} failed in the last minute", requests.max(failed));
    Some((if many { Mood::Trouble } else { Mood::Well }, sentence(&note)))
}

/// Begins with a capital and ends with a full stop. What begins with a file keeps its case.
fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    let is_name = text.split_whitespace().next().is_some_and(|word| word.contains(['.', '/']));
    if is_name { format!("{text}{end}") } else { format!("{}{end}", capital(text)) }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::MaintenanceView;

    fn service(name: &str, states: &[&str]) -> ServiceView {
        let target = |(number, state): (usize, &&str)| TargetStatus {
            address: format!("h:{number}"),
            state: (*state).to_owned(),
            reason: (!matches!(*state, "up" | "warming" | "drained")).then(|| String::from("refused")),
            ..TargetStatus::default()
        };
        let targets = states.iter().enumerate().map(target).collect();
        ServiceView { name: name.to_owned(), targets, ..ServiceView::default() }
    }

    fn said(services: Vec<ServiceView>, failed: u64) -> (Mood, String, Vec<String>) {
        let minutes = vec![Minute { requests: 100, failed }; services.len()];
        let Headline { mood, text, notes } = headline(&StatusView { services, ..StatusView::default() }, &minutes);
        (mood, text, notes)
    }

    #[test]
    fn the_worst_is_said_first() {
        let up = || service("app", &["up"]);
        let table: &[(Vec<ServiceView>, Mood, &str, &[&str])] = &[
            (vec![up(), service("api", &["warming"])], Mood::Well, "ClearML is well", &[]),
            (
                vec![up(), service("api", &["unreachable"])],
                Mood::Down,
                "The API server is down",
                &["The API server does not answer: refused."],
            ),
            (
                vec![service("app", &["unreachable"]), service("api", &["drained", "unreachable"])],
                Mood::Down,
                "ClearML is down",
                &[
                    "The web UI does not answer: refused.",
                    "Target h:0 of the API server is drained by an operator and gets no new requests.",
                    "Target h:1 of the API server does not answer: refused.",
                ],
            ),
            (
                vec![up(), service("files", &["down"])],
                Mood::Trouble,
                "ClearML has trouble",
                &["The file server gives bad answers to its probes: refused."],
            ),
            (
                vec![up(), service("files", &["ejected", "up"])],
                Mood::Trouble,
                "ClearML has trouble",
                &["Target h:0 of the file server breaks requests off: refused."],
            ),
            (
                vec![up(), service("files", &["drained", "up"])],
                Mood::Attention,
                "ClearML works; something needs a look",
                &["Target h:0 of the file server is drained by an operator and gets no new requests."],
            ),
        ];
        for (services, mood, text, notes) in table {
            let expected = (*mood, (*text).to_owned(), notes.iter().map(|note| (*note).to_owned()).collect());
            assert_eq!(said(services.clone(), 0), expected);
        }
    }

    #[test]
    fn a_few_failures_are_told_and_many_are_trouble() {
        let api = || vec![service("api", &["up"])];
        let note = |count| vec![format!("{count} of 100 requests to the API server failed in the last minute.")];
        assert_eq!(said(api(), 2), (Mood::Well, String::from("ClearML is well"), note(2)));
        assert_eq!(said(api(), 3), (Mood::Trouble, String::from("ClearML has trouble"), note(3)));
    }

    #[test]
    fn maintenance_is_no_failure_and_alarms_are_sentences() {
        let mut api = service("api", &["unreachable"]);
        let (since, reason) = (String::new(), Some(String::from("database upgrade")));
        api.maintenance = Some(MaintenanceView { since, until: Some(String::from("12:00")), reason, held: 0 });
        let mut status = StatusView { services: vec![service("app", &["up"]), api], ..StatusView::default() };
        status.alarms.push(String::from("site.pem expires in 3 days"));
        let headline = headline(&status, &[Minute::default(); 2]);
        assert_eq!(
            (headline.mood, headline.text.as_str()),
            (Mood::Maintenance, "The API server is closed for maintenance")
        );
        assert_eq!(
            headline.notes,
            ["The API server is closed for maintenance until 12:00: database upgrade.", "site.pem expires in 3 days."]
        );
    }
}
