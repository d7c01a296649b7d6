//! Families: every value under its name, with what it is, as an exposition format wants them.
//!
//! The values of the whole process are made into families here; what only the parts above know they add themselves.

use super::histogram::Durations;
use super::traffic::{ActionTraffic, PROGRAMS, Traffic};
use super::{
    CLASSES, CertificateRefusal, Counter, FAULTS, FAULTS_HELP, Gauge, Metrics, REFUSALS, REFUSALS_HELP, REQUESTS,
    REQUESTS_HELP, SERVICES, TLS_FAILURES, TLS_FAILURES_HELP, TLS_VERSIONS, TLS_VERSIONS_HELP, TlsFailure, VERSIONS,
};
use crate::clearml::Program;
use crate::domain::fault::FaultKind;
use crate::domain::names::ServiceName;
use std::borrow::Cow;

/// What its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// They only grow; the name ends in `_total`.
    Counter,
    /// They go up and down.
    Gauge,
    /// Durations by bucket.
    Histogram,
    /// Durations: how many, and their sum.
    Summary,
    /// Always 1: the labels are what it says; the name ends in `_info`.
    Info,
}

/// Values of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// With the unit as its last word but `_total`.
    pub name: &'static str,
    /// What the values are.
    pub kind: FamilyKind,
    /// One sentence.
    pub help: &'static str,
    /// The names of the labels, for all samples alike.
    pub labels: &'static [&'static str],
    /// The values.
    pub samples: Vec<Sample>,
}

/// One value and its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// One for each name of the family's.
    pub labels: Vec<Cow<'static, str>>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter, or of a gauge that counts.
    Count(u64),
    /// Of another gauge or counter.
    Number(f64),
    /// Of a histogram or a summary.
    Durations(Box<Durations>),
}

impl Family {
    /// A family without values.
    #[must_use]
    pub const fn new(
        name: &'static str,
        kind: FamilyKind,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self { name, kind, help, labels, samples: Vec::new() }
    }

    /// A family of one value without labels.
    #[must_use]
    pub fn single(name: &'static str, kind: FamilyKind, help: &'static str, value: Value) -> Self {
        let mut family = Self::new(name, kind, help, &[]);
        family.add([], value);
        family
    }

    /// One more value.
    pub fn add<const N: usize>(&mut self, labels: [Cow<'static, str>; N], value: Value) {
        self.samples.push(Sample { labels: labels.into(), value });
    }
}

impl Metrics {
    /// Every value of the process, those that are zero as well, so that a first event is seen as a rise; of ClearML's
    /// actions and the busiest workers those alone that there were.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let gauge =
            |row: &Gauge| Family::single(row.name(), FamilyKind::Gauge, row.help(), Value::Count(self.level(*row)));
        let counter =
            |row: &Counter| Family::single(row.name(), FamilyKind::Counter, row.help(), Value::Count(self.total(*row)));
        let mut families = Gauge::ALL.iter().map(gauge).chain(Counter::ALL.iter().map(counter)).collect::<Vec<_>>();
        families.extend([self.requests(), self.fault_family(), self.tls_versions(), self.tls_failures()]);
        families.push(self.refusals());
        families.extend(traffic(&self.traffic()));
        families
    }

    fn requests(&self) -> Family {
        let mut family = Family::new(REQUESTS, FamilyKind::Counter, REQUESTS_HELP, &["service", "class"]);
        for (service, name) in SERVICES.iter().enumerate() {
            for (class, text) in CLASSES.iter().enumerate() {
                let count = self.sum(|shard| shard.requests(service, class));
                family.add([Cow::Borrowed(*name), Cow::Borrowed(*text)], Value::Count(count));
            }
        }
        family
    }

    fn fault_family(&self) -> Family {
        let mut family = Family::new(FAULTS, FamilyKind::Counter, FAULTS_HELP, &["kind", "side"]);
        for kind in FaultKind::ALL {
            family.add([kind.code().into(), kind.side().as_str().into()], Value::Count(self.faults(*kind)));
        }
        family
    }

    fn tls_versions(&self) -> Family {
        let mut family = Family::new(TLS_VERSIONS, FamilyKind::Counter, TLS_VERSIONS_HELP, &["version"]);
        for (index, version) in VERSIONS.iter().enumerate() {
            family.add([Cow::Borrowed(*version)], Value::Count(self.sum(|shard| shard.tls_version(index))));
        }
        family
    }

    fn refusals(&self) -> Family {
        let mut family = Family::new(REFUSALS, FamilyKind::Counter, REFUSALS_HELP, &["reason"]);
        for reason in CertificateRefusal::ALL {
            family.add([reason.as_str().into()], Value::Count(self.sum(|shard| shard.refusals(*reason))));
        }
        family
    }

    fn tls_failures(&self) -> Family {
        let mut family = Family::new(TLS_FAILURES, FamilyKind::Counter, TLS_FAILURES_HELP, &["reason"]);
        for reason in TlsFailure::ALL {
            family.add([reason.as_str().into()], Value::Count(self.sum(|shard| shard.tls_failures(*reason))));
        }
        family
    }
}

/// A count of one action's, and how it is shown.
type ActionCount = (&'static str, &'static str, fn(&ActionTraffic) -> u64);

const ACTION_COUNTS: [ActionCount; 5] = [
    (super::traffic::NAMES[0], "Requests by ClearML action.", |sum| sum.requests),
    (super::traffic::NAMES[1], "Requests answered 4xx, by ClearML action.", |sum| sum.refused),
    (super::traffic::NAMES[2], "Requests answered 5xx or not to the end, not by the client's fault.", |sum| sum.failed),
    (super::traffic::NAMES[3], "Bytes of request bodies, by ClearML action.", |sum| sum.bytes_in),
    (super::traffic::NAMES[4], "Bytes of answer bodies, by ClearML action.", |sum| sum.bytes_out),
];

/// A part of the way of a request, and how it is shown.
type Part = (&'static str, &'static str, fn(&ActionTraffic) -> &Durations);

const PARTS: [Part; 4] = [
    ("clearway_request_queue_seconds", "Waits for a slot of a target.", |sum| &sum.queue),
    ("clearway_request_connect_seconds", "Waits for a new connection to a target.", |sum| &sum.connect),
    ("clearway_request_first_byte_seconds", "From the request sent to the first byte of its answer.", |sum| {
        &sum.first_byte
    }),
    ("clearway_request_duration_seconds", "From the head to the last byte of the answer.", |sum| &sum.total),
];

const ACTION_DURATION: &str = "clearway_action_duration_seconds";
const ACTION_DURATION_HELP: &str = "From the head to the last byte of the answer, by ClearML action.";

/// By action what has few values; by service what has many.
fn traffic(traffic: &Traffic) -> Vec<Family> {
    let mut families = Vec::new();
    for (name, help, read) in ACTION_COUNTS {
        let mut family = Family::new(name, FamilyKind::Counter, help, &["action"]);
        traffic.actions.iter().for_each(|sum| family.add([sum.action.into()], Value::Count(read(sum))));
        families.push(family);
    }
    let mut durations = Family::new(ACTION_DURATION, FamilyKind::Summary, ACTION_DURATION_HELP, &["action"]);
    for sum in &traffic.actions {
        durations.add([sum.action.into()], Value::Durations(Box::new(sum.total)));
    }
    families.push(durations);
    for (name, help, read) in PARTS {
        let mut family = Family::new(name, FamilyKind::Histogram, help, &["service"]);
        for service in ServiceName::ALL {
            let mut all = Durations::default();
            let own = traffic.actions.iter().filter(|sum| sum.service == service);
            own.for_each(|sum| all.add(read(sum)));
            family.add([service.as_str().into()], Value::Durations(Box::new(all)));
        }
        families.push(family);
    }
    let mut programs = Family::new(PROGRAMS, FamilyKind::Counter, "Requests by kind of program.", &["program"]);
    for (program, count) in Program::ALL.iter().zip(traffic.programs) {
        programs.add([program.as_str().into()], Value::Count(count));
    }
    families.push(programs);
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn families_are_complete_and_in_form() {
        let mut seen = BTreeSet::new();
        for family in Metrics::new(2).families() {
            let name = family.name;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("clearway_") && family.help.ends_with('.'), "{name}");
            assert_eq!(family.kind == FamilyKind::Counter, name.ends_with("_total"), "{name}");
            let timed = matches!(family.kind, FamilyKind::Histogram | FamilyKind::Summary);
            assert_eq!(timed, name.ends_with("_seconds"), "{name}");
            assert!(family.samples.iter().all(|sample| sample.labels.len() == family.labels.len()), "{name}");
        }
        let rows = Counter::ALL.iter().map(|row| row.name()).chain(Gauge::ALL.iter().map(|row| row.name()));
        let others =
            [REQUESTS, FAULTS, TLS_VERSIONS, TLS_FAILURES, REFUSALS].into_iter().chain(super::super::traffic::NAMES);
        assert!(rows.chain(others).all(|name| seen.contains(name)));
    }
}
