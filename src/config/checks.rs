//! Rules between keys, and limits that come from ClearML's own waits.

mod acme;
mod admin;
mod client_rules;
mod layout;
mod local_ca;
mod traces;

use super::problem::{Origin, Problem};
use super::slot::duration_text;
use super::tree::{Map, find};
use crate::domain::addr::ListenAddr;
use crate::domain::settings::{ListenerSettings, Settings};
use std::time::Duration;

/// ClearML's SDK waits this long for the answer to its first call (`clearml/backend_api/session/session.py`).
const SDK_FIRST_CALL: Duration = Duration::from_secs(10);

/// Load balancers and browsers keep connections up to two minutes.
const KEEP_ALIVE_MIN: Duration = Duration::from_secs(120);

/// The SDK plans its upload waits for this many bytes a second.
const SDK_UPLOAD_RATE: u64 = 50_000;

/// nginx's default keep-alive, which ClearML's web server has.
const WEB_KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Every rule that `settings` breaks; `map` knows where the values were written, `wrong` which keys have mistakes of
/// their own: what is compared with them is left alone, because `settings` does not have what they mean.
pub(super) fn check(settings: &Settings, map: &Map, wrong: &[String]) -> Vec<Problem> {
    let checker = Checker { settings, map };
    let is_right = |section: &str| !wrong.iter().any(|key| key.starts_with(section));
    let mut problems = Vec::new();
    problems.extend(checker.hold());
    problems.extend(checker.waits());
    problems.extend(checker.keep_alive());
    problems.extend(checker.upload_rate());
    problems.extend(checker.idle_age());
    problems.extend(checker.authorities());
    problems.extend(checker.traces());
    if is_right("admin") {
        problems.extend(checker.admin());
    }
    if is_right("local_ca") {
        problems.extend(checker.local_ca());
    }
    if is_right("acme") && is_right("domain") && is_right("hosts") && is_right("single_domain") {
        problems.extend(checker.acme());
    }
    if is_right("limits.head") && is_right("limits.target") {
        problems.extend(checker.target_fits_head());
    }
    if is_right("hosts") && is_right("single_domain") && is_right("domain") {
        problems.extend(checker.layout());
        problems.extend(checker.client_rules());
    }
    if is_right("listeners") {
        problems.extend(checker.listeners());
        problems.extend(checker.binds());
    }
    problems
}

struct Checker<'a> {
    settings: &'a Settings,
    map: &'a Map,
}

impl Checker<'_> {
    fn origin(&self, path: &str) -> Origin {
        find(self.map, path).map_or(Origin::Default, |node| node.at.clone())
    }

    fn error(&self, path: &str, message: String) -> Problem {
        Problem::error(self.origin(path), message).at(path)
    }

    fn warning(&self, path: &str, message: String) -> Problem {
        Problem::warning(self.origin(path), message).at(path)
    }

    fn hold(&self) -> Option<Problem> {
        let hold = self.settings.timeouts.hold;
        let message =
            || format!("{} is too long; it must be below {}", duration_text(hold), duration_text(SDK_FIRST_CALL));
        (hold >= SDK_FIRST_CALL).then(|| {
            let hint =
                "ClearML's SDK waits 10s for its first answer and would take the server for dead; 5s is the default";
            self.error("timeouts.hold", message()).hint(hint)
        })
    }

    /// A request may wait for a target and then for a slot of it.
    fn waits(&self) -> Option<Problem> {
        let (hold, queue) = (self.settings.timeouts.hold, self.settings.services.api.turns.queue_time);
        (hold < SDK_FIRST_CALL && hold + queue >= SDK_FIRST_CALL).then(|| {
            let [hold, queue, least] = [hold, queue, SDK_FIRST_CALL].map(duration_text);
            let message =
                format!("timeouts.hold, {hold}, and services.api.queue_time, {queue}, are not below {least} together");
            let written = |path: &&str| find(self.map, path).is_some();
            let path = Some("services.api.queue_time").filter(written).unwrap_or("timeouts.hold");
            let hint = "ClearML's SDK waits 10s for its first answer and then takes the server for dead";
            self.warning(path, message).hint(hint)
        })
    }

    fn keep_alive(&self) -> Option<Problem> {
        let keep_alive = self.settings.timeouts.keep_alive;
        let message =
            || format!("{} is short; {} or more is better", duration_text(keep_alive), duration_text(KEEP_ALIVE_MIN));
        (keep_alive < KEEP_ALIVE_MIN).then(|| {
            let hint = "clients that reuse a connection just as it is closed see their requests fail";
            self.warning("timeouts.keep_alive", message()).hint(hint)
        })
    }

    fn upload_rate(&self) -> Option<Problem> {
        let rate = self.settings.limits.min_upload_rate.get();
        (rate >= SDK_UPLOAD_RATE).then(|| {
            let message = format!("{rate} bytes a second is not below {SDK_UPLOAD_RATE}");
            self.warning("limits.min_upload_rate", message)
                .hint("ClearML's SDK allows uploads that slow; they would be cut off")
        })
    }

    fn idle_age(&self) -> Option<Problem> {
        let age = self.settings.pool.idle_age;
        let message = || format!("{} is not below {}", duration_text(age), duration_text(WEB_KEEP_ALIVE));
        (age >= WEB_KEEP_ALIVE).then(|| {
            let hint = "ClearML's web server closes idle connections after 75s; a request sent just then fails";
            self.warning("pool.idle_age", message()).hint(hint)
        })
    }

    /// A certificate that nobody checks is none.
    fn authorities(&self) -> Vec<Problem> {
        let services = self.settings.services.iter();
        let unchecked =
            services.filter(|(_, own)| own.ca.is_none() && own.targets.iter().any(|target| target.addr.tls));
        unchecked
            .map(|(service, _)| {
                let path = format!("services.{service}.targets");
                let hint = format!(
                    "set services.{service}.ca to the PEM file of the authority that issued their certificates"
                );
                self.error(&path, "https:// targets need an authority to be checked against".into()).hint(hint)
            })
            .collect()
    }

    fn target_fits_head(&self) -> Option<Problem> {
        let (target, head) = (self.settings.limits.target, self.settings.limits.head);
        (target > head).then(|| {
            let message = format!("{target} is more than limits.head ({head}), which includes it");
            self.error("limits.target", message).hint("raise limits.head or lower limits.target")
        })
    }

    fn listeners(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let pairs = [("listeners.https", &self.settings.https), ("listeners.http", &self.settings.http)];
        for (path, listener) in pairs {
            if listener.enabled && listener.bind.is_empty() {
                let problem =
                    self.error(&format!("{path}.bind"), "the list is empty, so there is nothing to listen on".into());
                problems.push(problem.hint(format!("name a port, or set {path}.enabled to false")));
            }
        }
        for (path, listener) in pairs.into_iter().filter(|(_, listener)| listener.enabled && listener.proxy_protocol) {
            if listener.proxy_networks.is_empty() {
                let problem = self.error(
                    &format!("{path}.proxy_protocol"),
                    format!("nobody may connect: {path}.proxy_networks is empty"),
                );
                problems.push(problem.hint(format!("name the networks of your balancers in {path}.proxy_networks")));
            }
        }
        match (self.settings.https.enabled, self.settings.http.enabled) {
            (false, false) => {
                let problem = self.error("listeners.https.enabled", "both listeners are disabled".into());
                problems.push(problem.hint("enable listeners.https; http alone only leads to it"));
            }
            (false, true) if self.settings.https.public_port.is_none() => {
                let message = "only http is enabled, and it leads to https".into();
                let hint = "enable listeners.https, or set its public_port if something else listens there";
                problems.push(self.warning("listeners.https.enabled", message).hint(hint));
            }
            _ => {}
        }
        problems
    }

    /// Sockets here share ports between workers, so the kernel would not refuse an address that is bound twice: it
    /// would hand each listener some of the other's connections.
    fn binds(&self) -> Vec<Problem> {
        let Settings { https, http, legacy, admin_listener, .. } = self.settings;
        let open = |listener: &'_ ListenerSettings| if listener.enabled { listener.bind.clone() } else { Vec::new() };
        let pairs = [
            ("listeners.https.bind", open(https)),
            ("listeners.http.bind", open(http)),
            ("listeners.legacy.app", legacy.app.clone()),
            ("listeners.legacy.api", legacy.api.clone()),
            ("listeners.legacy.files", legacy.files.clone()),
            ("admin.listen", admin_listener.listen.clone()),
        ];
        let all =
            pairs.iter().flat_map(|(path, binds)| binds.iter().map(move |bind| (*path, *bind))).collect::<Vec<_>>();
        let mut problems = Vec::new();
        for (index, (path, bind)) in all.iter().enumerate() {
            let earlier = all.iter().take(index).find(|(_, other)| overlap(*bind, *other));
            if let Some((other_path, other)) = earlier {
                let message = match bind == other {
                    true => format!("{bind} is bound twice"),
                    false => format!("{bind} overlaps {other}"),
                };
                let hint = match path == other_path {
                    true => "remove one of the two".to_owned(),
                    false => format!("{other_path} has it already; give each listener a port of its own"),
                };
                problems.push(self.error(path, message).hint(hint));
            }
        }
        problems
    }
}

/// Whether connections to one address could reach the other.
fn overlap(one: ListenAddr, other: ListenAddr) -> bool {
    let (one, other) = (one.socket_addr(), other.socket_addr());
    if one.port() != other.port() || one.port() == 0 {
        return false;
    }
    // `[::]` takes IPv4 too; `0.0.0.0` takes no IPv6.
    let covers = |all: std::net::IpAddr, ip: std::net::IpAddr| all.is_unspecified() && (all.is_ipv6() || ip.is_ipv4());
    one.ip() == other.ip() || covers(one.ip(), other.ip()) || covers(other.ip(), one.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_overlap_what_they_cover() {
        for (one, other, expected) in [
            ("[::]:1", "[::]:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("127.0.0.1:1", "[::]:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("[::1]:1", "0.0.0.0:1", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("[::]:1", "[::]:2", false),
            ("[::]:0", "[::]:0", false),
        ] {
            let parse = |text| ListenAddr::parse(text).unwrap();
            assert_eq!(overlap(parse(one), parse(other)), expected, "{one} {other}");
            assert_eq!(overlap(parse(other), parse(one)), expected, "{other} {one}");
        }
    }
}
