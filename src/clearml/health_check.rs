//! Which requests only ask whether a service is there.

use crate::domain::names::ServiceName;

/// How the user agents of those who ask begin: AWS, Kubernetes, Google, Azure, and our own probes.
const AGENTS: [&[u8]; 6] = [
    b"ELB-HealthChecker/",
    b"kube-probe/",
    b"GoogleHC/",
    b"Edge Health Probe",
    b"Load Balancer Agent",
    b"clearway-probe/",
];

/// Whether a request is a health check: by who asks, or because it asks the API server's `debug.ping`, which does
/// nothing else.
///
/// Source: clearml-server `apiserver/services/debug.py`.
#[must_use]
pub fn is_health_check(service: Option<ServiceName>, path: &str, user_agent: Option<&[u8]>) -> bool {
    let ping = || service == Some(ServiceName::Api) && path.rsplit('/').next() == Some("debug.ping");
    user_agent.is_some_and(|agent| AGENTS.iter().any(|start| agent.starts_with(start))) || ping()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_known_by_who_asks_or_for_what() {
        use ServiceName::{Api, App, Files};
        for (service, path, agent, is) in [
            (Some(Api), "/debug.ping", None, true),
            (Some(Api), "/v2.23/debug.ping", Some("curl/8"), true),
            (Some(Api), "/v2.23/tasks.create", Some("python-requests/2.34"), false),
            (Some(Api), "/debug.pings", None, false),
            (Some(Files), "/debug.ping", Some("curl/8"), false),
            (Some(App), "/", Some("ELB-HealthChecker/2.0"), true),
            (None, "/", Some("kube-probe/1.31"), true),
            (Some(App), "/", Some("Mozilla/5.0 (kube-probe/1.31)"), false),
        ] {
            assert_eq!(is_health_check(service, path, agent.map(str::as_bytes)), is, "{path} {agent:?}");
        }
    }
}
