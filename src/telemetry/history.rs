//! History: what the counters did in each of the last seconds, and what was busiest in the last minute.
//!
//! Owns: the differences between looks at the counters. Nothing on the way of a request knows of it: once a second
//! somebody reads what the workers count anyway. Time comes in as an argument.
//! Limits: `SECONDS` seconds, `LOOKS` looks for the busiest.

use super::metrics::{ActionTraffic, Counter, Durations, Heavy, Metrics, Traffic};
use crate::domain::names::ServiceName;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Seconds that are kept.
pub const SECONDS: usize = 300;

/// Between two looks that the busiest are counted from, and how many looks back.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS: usize = 12;

/// The services, then requests that reached none.
pub const LINES: usize = NO_SERVICE + 1;
const NO_SERVICE: usize = ServiceName::ALL.len();

/// One second of the whole process.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Counted from the start, without gaps.
    pub number: u64,
    /// How long it was: a busy process looks late.
    pub length: Duration,
    /// For each of `ServiceName::ALL`, then for no service.
    pub lines: [Line; LINES],
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
}

/// One service's requests that ended in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// All of them.
    pub requests: u64,
    /// Answered 4xx.
    pub refused: u64,
    /// Answered 5xx, or not to the end, by the target's fault or ours.
    pub failed: u64,
    /// How long half of them took at most, 95 and 99 of a hundred; estimated between the ends of a bucket.
    pub quantiles: Option<[Duration; 3]>,
}

/// One action or worker in the last minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Its name.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Body bytes from clients.
    pub bytes_in: u64,
    /// Body bytes to clients.
    pub bytes_out: u64,
    /// How long half of them and 95 of a hundred took at most; of actions only.
    pub quantiles: Option<[Duration; 2]>,
}

/// What a look at the counters found.
#[derive(Clone, Debug, Default)]
struct Look {
    /// By service: requests, refused.
    statuses: [[u64; 2]; LINES],
    failed: [u64; LINES],
    durations: [Durations; LINES],
    bytes_in: u64,
    bytes_out: u64,
}

/// What the busiest are counted from.
#[derive(Debug)]
struct Base {
    at: Instant,
    actions: Vec<ActionTraffic>,
    workers: Vec<Heavy>,
}

/// The last seconds.
#[derive(Debug)]
pub struct History {
    metrics: Metrics,
    seconds: VecDeque<Second>,
    before: Option<(Instant, Look)>,
    bases: VecDeque<Base>,
    next: u64,
}

impl History {
    /// The first second begins now.
    #[must_use]
    pub fn new(metrics: Metrics, now: Instant) -> Self {
        let (seconds, bases) = (VecDeque::with_capacity(SECONDS), VecDeque::with_capacity(LOOKS + 1));
        let mut history = Self { metrics, seconds, before: None, bases, next: 0 };
        history.look(now);
        history
    }

    /// Looks at the counters; to be called once a second.
    pub fn look(&mut self, now: Instant) {
        let traffic = self.metrics.traffic();
        let look = Look::of(&self.metrics, &traffic);
        if let Some((then, before)) = self.before.replace((now, look.clone())) {
            let second = look.since(&before, self.next, now.saturating_duration_since(then));
            self.next += 1;
            if self.seconds.len() == SECONDS {
                self.seconds.pop_front();
            }
            self.seconds.push_back(second);
        }
        if self.bases.back().is_none_or(|base| now.saturating_duration_since(base.at) >= LOOK) {
            if self.bases.len() > LOOKS {
                self.bases.pop_front();
            }
            self.bases.push_back(Base { at: now, actions: traffic.actions, workers: traffic.workers });
        }
    }

    /// The seconds from `number` on, the oldest first.
    pub fn from(&self, number: u64) -> impl Iterator<Item = &Second> {
        self.seconds.iter().skip_while(move |second| second.number < number)
    }

    /// The number of the second that comes next.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// One line's sum over the last `count` seconds; without quantiles.
    #[must_use]
    pub fn sum(&self, line: usize, count: usize) -> Line {
        let mut sum = Line::default();
        for line in self.seconds.iter().rev().take(count).filter_map(|second| second.lines.get(line)) {
            sum.requests += line.requests;
            sum.refused += line.refused;
            sum.failed += line.failed;
        }
        sum
    }

    /// The actions and the ClearML workers with the most requests in the last minute, at most `most` of each.
    #[must_use]
    pub fn busiest(&self, most: usize) -> (Vec<Busy>, Vec<Busy>) {
        let Traffic { actions, workers, .. } = self.metrics.traffic();
        let base = self.bases.front();
        let actions = actions.iter().map(|action| {
            let before = base.and_then(|base| base.actions.iter().find(|before| before.action == action.action));
            busy_action(action, before)
        });
        let workers = workers.iter().map(|worker| {
            let before = base.and_then(|base| base.workers.iter().find(|before| before.name == worker.name));
            busy_worker(worker, before)
        });
        (busiest_of(actions.collect(), most), busiest_of(workers.collect(), most))
    }
}

impl Look {
    fn of(metrics: &Metrics, traffic: &Traffic) -> Self {
        let mut look = Self {
            bytes_in: metrics.total(Counter::BytesIn),
            bytes_out: metrics.total(Counter::BytesOut),
            ..Self::default()
        };
        for (line, (statuses, failed)) in look.statuses.iter_mut().zip(&mut look.failed).enumerate() {
            let classes = metrics.requests_by_class(line);
            *statuses = [classes.iter().sum(), classes[3]];
            // Those of services are counted with their actions.
            *failed = if line == NO_SERVICE { classes[4] } else { 0 };
        }
        for action in &traffic.actions {
            let line = action.service as usize;
            if let (Some(failed), Some(durations)) = (look.failed.get_mut(line), look.durations.get_mut(line)) {
                *failed = failed.wrapping_add(action.failed);
                durations.add(&action.total);
            }
        }
        look
    }

    fn since(&self, before: &Self, number: u64, length: Duration) -> Second {
        let mut second = Second {
            number,
            length,
            bytes_in: self.bytes_in.saturating_sub(before.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(before.bytes_out),
            ..Second::default()
        };
        let counts = self.statuses.iter().zip(&before.statuses);
        for (line, (now, then)) in second.lines.iter_mut().zip(counts) {
            (line.requests, line.refused) = (now[0].saturating_sub(then[0]), now[1].saturating_sub(then[1]));
        }
        let failed = self.failed.iter().zip(&before.failed);
        let durations = self.durations.iter().zip(&before.durations);
        for (line, ((failed, failed_before), (now, then))) in second.lines.iter_mut().zip(failed.zip(durations)) {
            line.failed = failed.saturating_sub(*failed_before);
            let took = now.since(then);
            line.quantiles = took.estimate(50).zip(took.estimate(95)).zip(took.estimate(99)).map(flat);
        }
        second
    }
}

const fn flat(((half, most), nearly_all): ((Duration, Duration), Duration)) -> [Duration; 3] {
    [half, most, nearly_all]
}

fn busy_action(action: &ActionTraffic, before: Option<&ActionTraffic>) -> Busy {
    let since = |now: u64, then: fn(&ActionTraffic) -> u64| now.saturating_sub(before.map_or(0, then));
    let took = action.total.since(&before.map(|before| before.total).unwrap_or_default());
    Busy {
        name: action.action.to_owned(),
        requests: since(action.requests, |before| before.requests),
        failed: since(action.failed, |before| before.failed),
        bytes_in: since(action.bytes_in, |before| before.bytes_in),
        bytes_out: since(action.bytes_out, |before| before.bytes_out),
        quantiles: took.estimate(50).zip(took.estimate(95)).map(|(half, most)| [half, most]),
    }
}

/// A name that took another's place carries that one's count: what is above it is its own.
fn busy_worker(worker: &Heavy, before: Option<&Heavy>) -> Busy {
    let since = |now: u64, then: fn(&Heavy) -> u64| now.saturating_sub(before.map_or(0, then));
    let counted = |heavy: &Heavy| heavy.requests.saturating_sub(heavy.over);
    Busy {
        name: worker.name.clone(),
        requests: since(counted(worker), |before| before.requests.saturating_sub(before.over)),
        failed: since(worker.failed, |before| before.failed),
        bytes_in: since(worker.bytes_in, |before| before.bytes_in),
        bytes_out: since(worker.bytes_out, |before| before.bytes_out),
        quantiles: None,
    }
}

fn busiest_of(mut all: Vec<Busy>, most: usize) -> Vec<Busy> {
    all.retain(|busy| busy.requests > 0);
    all.sort_by(|left, right| right.requests.cmp(&left.requests).then_with(|| left.name.cmp(&right.name)));
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests;
