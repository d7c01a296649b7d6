//! Which requests only ask whether a service is there.

use crate::domain::names::ServiceName;
use http::Method;

/// How the user agents of those who ask begin: AWS, Kubernetes, Google, Azure, and our own probes.
const AGENTS: [&[u8]; 6] = [
    b"ELB-HealthChecker/",
    b"kube-probe/",
    b"GoogleHC/",
    b"Edge Health Probe",
    b"Load Balancer Agent",
    b"clearway-probe/",
];

/// What those ask who only want an answer, as the last part of the path: a page, the web server's version, a ping.
const PATHS: [&str; 3] = ["", "version.json", "debug.ping"];

/// Whether a request is a health check: by who asks for what, or because it asks the API server's `debug.ping`, which
/// does nothing else. Anybody may call himself a prober, so nothing else counts that does something or that is `signed`,
/// by `Authorization` or a cookie.
///
/// Source: clearml-server `apiserver/services/debug.py`.
#[must_use]
pub fn is_health_check(
    service: Option<ServiceName>,
    method: &Method,
    path: &str,
    user_agent: Option<&[u8]>,
    signed: bool,
) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    let reads = *method == Method::GET || *method == Method::HEAD;
    let known = || user_agent.is_some_and(|agent| AGENTS.iter().any(|start| agent.starts_with(start)));
    let probes = || reads && !signed && PATHS.contains(&last) && known();
    (service == Some(ServiceName::Api) && last == "debug.ping") || probes()
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
            (Some(App), "/version.json", Some("GoogleHC/1.0"), true),
            (None, "/", Some("kube-probe/1.31"), true),
            (Some(App), "/", Some("Mozilla/5.0 (kube-probe/1.31)"), false),
            (Some(Api), "/v2.23/tasks.delete", Some("kube-probe/1.31"), false),
            (Some(Files), "/project/task/model.pt", Some("kube-probe/1.31"), false),
        ] {
            let agent = agent.map(str::as_bytes);
            assert_eq!(is_health_check(service, &Method::GET, path, agent, false), is, "{path} {agent:?}");
        }
        let probe = |method, signed| is_health_check(Some(Files), &method, "/", Some(b"kube-probe/1.31"), signed);
        assert!(probe(Method::HEAD, false));
        assert!(!probe(Method::POST, false), "an upload");
        assert!(!probe(Method::GET, true), "somebody with a login");
        assert!(is_health_check(Some(Api), &Method::POST, "/debug.ping", None, true));
    }
}
