//! What the admin socket asks for, carried out.

use super::handover::Handover;
use super::reload::{ConfigSource, Trigger};
use super::running::Running;
use crate::admin::{Asked, Command, MaintenanceOrder, Outcome, TargetOrder, timestamp};
use crate::domain::names::ServiceName;
use crate::request::Notice;
use crate::runtime::{Deadline, wall};
use std::time::Duration;

/// Characters of a maintenance's reason; it stands in answers and logs.
const REASON_MAX: usize = 300;

/// The longest maintenance that ends by itself: a year.
const MAINTENANCE_MAX: Duration = Duration::from_secs(365 * 86_400);

impl Running {
    /// Does what `command` asks for.
    pub(super) async fn carry_out(&mut self, source: &ConfigSource, command: Command) -> Outcome {
        let outcome = match command {
            Command::Status => return Outcome::Status(Box::new(self.status())),
            Command::Feed(after) => return Outcome::Feed(Box::new(self.feed(after))),
            Command::Explain(id) => {
                return self.explain(&id).map_or_else(Outcome::Missing, |view| Outcome::Explained(Box::new(view)));
            }
            Command::Reload => return Outcome::Reload(self.reload(source, Trigger::Command).await),
            Command::Drain(order) => self.set_drained(&order, true),
            Command::Undrain(order) => self.set_drained(&order, false),
            Command::Maintenance(order) => self.set_maintenance(&order),
            Command::Upgrade => Err(String::from("an upgrade is under way")),
        };
        outcome.map_or_else(Outcome::Refused, Outcome::Done)
    }

    /// Answers while it stops, when there is nothing left to command.
    pub(super) fn answer_stopping(&self, Asked { command, reply }: Asked) {
        let outcome = match command {
            Command::Status => Outcome::Status(Box::new(self.status())),
            Command::Feed(after) => Outcome::Feed(Box::new(self.feed(after))),
            _ => Outcome::Refused(String::from("the proxy is stopping")),
        };
        // Whoever asked may be gone.
        drop(reply.send(outcome));
    }

    /// Goes on with what an operator has told the process before this one.
    pub(super) fn continue_from(&self, handover: &Handover) {
        let drained = handover.drained.iter().map(|order| self.set_drained(order, true));
        let closed = handover.maintenance.iter().map(|order| self.set_maintenance(order));
        for problem in drained.chain(closed).filter_map(Result::err) {
            tracing::warn!(problem, "not taken over from the process before this one");
        }
    }

    fn set_drained(&self, order: &TargetOrder, drained: bool) -> Result<String, String> {
        let service = service_of(&order.service)?;
        let wanted = |label: &str| order.target.as_deref().is_none_or(|target| target == label);
        let all = self.picture.group(service).targets();
        let targets = all.iter().filter(|target| wanted(target.label())).collect::<Vec<_>>();
        if targets.is_empty() {
            let labels = all.iter().map(|target| target.label().to_string()).collect::<Vec<_>>();
            let target = order.target.as_deref().unwrap_or_default();
            return Err(format!("{service} has no target {target}; it has {}", labels.join(", ")));
        }
        let running = targets.iter().map(|target| target.outstanding()).sum::<usize>();
        for target in &targets {
            target.set_drained(drained);
            tracing::info!(service = service.as_str(), address = %target.label(), drained, "target drained or not by an operator");
        }
        let labels = targets.iter().map(|target| target.label().to_string()).collect::<Vec<_>>().join(", ");
        Ok(match drained {
            true => format!("{labels} of {service} gets no new requests; {running} run on"),
            false => format!("{labels} of {service} gets requests again"),
        })
    }

    fn set_maintenance(&self, order: &MaintenanceOrder) -> Result<String, String> {
        let services = match order.services.as_slice() {
            [] => ServiceName::ALL.to_vec(),
            names => names.iter().map(|name| service_of(name)).collect::<Result<_, _>>()?,
        };
        let names = services.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
        if !order.on {
            services.iter().for_each(|service| self.maintenance.set(*service, None));
            tracing::info!(services = names, "maintenance ended by an operator");
            return Ok(format!("{names}: maintenance is over"));
        }
        let reason = order.reason.as_deref().map(plain).transpose()?;
        let until = order.seconds.map(Duration::from_secs);
        if until.is_some_and(|wait| wait > MAINTENANCE_MAX) {
            return Err(String::from("a maintenance that ends by itself lasts a year at most"));
        }
        let since = wall();
        let until = until.map(|wait| (Deadline::after(wait), since + wait));
        for service in &services {
            self.maintenance.set(*service, Some(Notice { since, until, reason: reason.clone() }));
        }
        let end = until.map(|(_, until)| timestamp(until));
        tracing::info!(services = names, until = end, reason, "maintenance begun by an operator");
        Ok(match end {
            Some(end) => format!("{names}: maintenance until {end}; a restart ends it"),
            None => format!("{names}: maintenance until it is turned off; a restart ends it"),
        })
    }

    /// When the next maintenance ends by itself.
    pub(super) fn next_opening(&self) -> Option<Deadline> {
        let ends = ServiceName::ALL.into_iter().filter_map(|service| self.maintenance.notice(service)?.until);
        ends.map(|(deadline, _)| deadline).min()
    }

    /// Ends what is over.
    pub(super) fn open_services(&self) {
        for service in ServiceName::ALL {
            let until = self.maintenance.notice(service).and_then(|notice| notice.until);
            if until.is_some_and(|(deadline, _)| deadline.passed()) {
                self.maintenance.set(service, None);
                tracing::info!(services = service.as_str(), "maintenance ended by itself");
            }
        }
    }
}

fn service_of(name: &str) -> Result<ServiceName, String> {
    ServiceName::from_label(name).ok_or_else(|| format!("{name:?} is no service; there are app, api and files"))
}

fn plain(reason: &str) -> Result<String, String> {
    if reason.chars().any(char::is_control) || reason.chars().count() > REASON_MAX {
        return Err(format!("a reason is one line of at most {REASON_MAX} characters"));
    }
    Ok(reason.to_owned())
}
