//! Traffic: requests by ClearML action, by program, and by the busiest workers and client versions.
//!
//! Each worker thread counts for itself. The counts of an action are made when it is first asked for, so that a thread
//! holds a few kilobytes and not one histogram for each name that ClearML knows.

use super::Labels;
use super::histogram::{Durations, Histogram, grow};
use super::top::{Heavy, Top, Weight, merged};
use crate::clearml::{Action, Program, client_version};
use crate::domain::names::ServiceName;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The names under which `Traffic::rows` gives values: by action, in the order of `ActionTraffic`, then by program.
pub(super) const NAMES: [&str; 6] = [
    "clearway_action_requests_total",
    "clearway_action_refused_total",
    "clearway_action_failed_total",
    "clearway_action_request_bytes_total",
    "clearway_action_answer_bytes_total",
    PROGRAMS,
];
pub(super) const PROGRAMS: &str = "clearway_program_requests_total";

/// A request that is over, as it is counted.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Passed<'a> {
    pub(in super::super) action: Action,
    pub(in super::super) program: Program,
    pub(in super::super) worker: Option<&'a [u8]>,
    /// The field in which the program names itself.
    pub(in super::super) client: Option<&'a [u8]>,
    /// Answered 4xx.
    pub(in super::super) refused: bool,
    /// Answered 5xx, or not to the end, by the target's fault or ours.
    pub(in super::super) failed: bool,
    pub(in super::super) bytes_in: u64,
    pub(in super::super) bytes_out: u64,
    pub(in super::super) queue: Option<Duration>,
    pub(in super::super) connect: Option<Duration>,
    pub(in super::super) first_byte: Option<Duration>,
    pub(in super::super) total: Duration,
}

/// What one worker thread counted.
#[derive(Debug)]
pub(super) struct TrafficShard {
    actions: [OnceLock<Box<ActionCounts>>; Action::COUNT],
    programs: [AtomicU64; Program::ALL.len()],
    /// Locked by the thread that counts, and for a moment by whoever asks.
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    workers: Top,
    clients: Top,
}

/// On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ActionCounts {
    requests: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    queue: Histogram,
    connect: Histogram,
    first_byte: Histogram,
    total: Histogram,
}

impl Default for TrafficShard {
    fn default() -> Self {
        Self {
            actions: [const { OnceLock::new() }; Action::COUNT],
            programs: [const { AtomicU64::new(0) }; Program::ALL.len()],
            names: Mutex::default(),
        }
    }
}

impl TrafficShard {
    pub(super) fn count(&self, passed: &Passed<'_>) {
        if let Some(action) = self.actions.get(passed.action.index()) {
            action.get_or_init(Box::default).count(passed);
        }
        if let Some(program) = self.programs.get(passed.program as usize) {
            grow(program, 1);
        }
        if passed.worker.is_none() && passed.client.is_none() {
            return;
        }
        let weight = Weight { failed: passed.failed, bytes_in: passed.bytes_in, bytes_out: passed.bytes_out };
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(worker) = passed.worker {
            names.workers.add(worker, weight);
        }
        if let Some(client) = passed.client {
            names.clients.add(client_version(client), weight);
        }
    }
}

impl ActionCounts {
    fn count(&self, passed: &Passed<'_>) {
        grow(&self.requests, 1);
        for (counter, count) in [
            (&self.refused, u64::from(passed.refused)),
            (&self.failed, u64::from(passed.failed)),
            (&self.bytes_in, passed.bytes_in),
            (&self.bytes_out, passed.bytes_out),
        ] {
            if count > 0 {
                grow(counter, count);
            }
        }
        for (histogram, took) in
            [(&self.queue, passed.queue), (&self.connect, passed.connect), (&self.first_byte, passed.first_byte)]
        {
            if let Some(took) = took {
                histogram.observe(took);
            }
        }
        self.total.observe(passed.total);
    }

    fn add_to(&self, sum: &mut ActionTraffic) {
        for (sum, counter) in [
            (&mut sum.requests, &self.requests),
            (&mut sum.refused, &self.refused),
            (&mut sum.failed, &self.failed),
            (&mut sum.bytes_in, &self.bytes_in),
            (&mut sum.bytes_out, &self.bytes_out),
        ] {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
        self.queue.add_to(&mut sum.queue);
        self.connect.add_to(&mut sum.connect);
        self.first_byte.add_to(&mut sum.first_byte);
        self.total.add_to(&mut sum.total);
    }
}

/// What passed through the proxy since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Each action that was asked for, in the order of the table.
    pub actions: Vec<ActionTraffic>,
    /// Requests by kind of program, in the order of `Program::ALL`.
    pub programs: [u64; Program::ALL.len()],
    /// The busiest ClearML workers.
    pub workers: Vec<Heavy>,
    /// The commonest client versions.
    pub clients: Vec<Heavy>,
}

/// One action's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionTraffic {
    /// Its name, of a closed set.
    pub action: &'static str,
    /// Whose it is.
    pub service: ServiceName,
    /// All of them.
    pub requests: u64,
    /// Answered 4xx.
    pub refused: u64,
    /// Answered 5xx, or not to the end, by the target's fault or ours.
    pub failed: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// Waits for a slot.
    pub queue: Durations,
    /// Waits for a connection to a target.
    pub connect: Durations,
    /// From the request sent to the first byte of its answer.
    pub first_byte: Durations,
    /// From the head to the last byte.
    pub total: Durations,
}

impl ActionTraffic {
    fn none(action: Action) -> Self {
        Self {
            action: action.name(),
            service: action.service(),
            requests: 0,
            refused: 0,
            failed: 0,
            bytes_in: 0,
            bytes_out: 0,
            queue: Durations::default(),
            connect: Durations::default(),
            first_byte: Durations::default(),
            total: Durations::default(),
        }
    }
}

impl Traffic {
    /// Everything of it that has bounded labels: name, labels, value.
    pub(super) fn rows(self) -> impl Iterator<Item = (&'static str, Labels, u64)> {
        let programs = Program::ALL.iter().zip(self.programs);
        let programs = programs.map(|(kind, count)| (PROGRAMS, Labels(vec![("program", kind.as_str())]), count));
        let actions = self.actions.into_iter().flat_map(|sum| {
            let values = [sum.requests, sum.refused, sum.failed, sum.bytes_in, sum.bytes_out];
            let labels = Labels(vec![("action", sum.action)]);
            NAMES.into_iter().zip(values).map(move |(name, value)| (name, labels.clone(), value))
        });
        actions.chain(programs)
    }

    /// The sum over `shards`. They go on counting meanwhile.
    pub(super) fn of<'a>(shards: impl Iterator<Item = &'a TrafficShard> + Clone) -> Self {
        let mut traffic = Self::default();
        for action in Action::all() {
            let mut sum = ActionTraffic::none(action);
            for counts in shards.clone().filter_map(|shard| shard.actions.get(action.index())?.get()) {
                counts.add_to(&mut sum);
            }
            if sum.requests > 0 {
                traffic.actions.push(sum);
            }
        }
        for shard in shards.clone() {
            for (sum, program) in traffic.programs.iter_mut().zip(&shard.programs) {
                *sum = sum.wrapping_add(program.load(Ordering::Relaxed));
            }
        }
        let names = || shards.clone().map(|shard| shard.names.lock().unwrap_or_else(PoisonError::into_inner));
        traffic.workers = merged(names().map(|names| names.workers.heavies()));
        traffic.clients = merged(names().map(|names| names.clients.heavies()));
        traffic
    }
}
