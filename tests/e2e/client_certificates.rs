//! Client certificates: asked for by host, judged for each request, told to targets and to nobody else.

use crate::support::*;
use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

const SUBJECT: &str = "x-client-cert-subject";
const REFUSED: &str = "client; client_certificate_refused";
const REQUIRED: &str = "client; client_certificate_required";
const OTHER: &str = "client; other_connection_needed";
const BOTH: &[&rustls::SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// The authority of agents, apart from that of the proxy's own certificate.
static AGENTS: LazyLock<Pki> = LazyLock::new(Pki::another);

/// Files that rules name.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("agents.pem", AGENTS.ca());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// A rule for `hosts`.
    fn rule(&self, hosts: &[&str], mode: &str, more: &str) -> String {
        format!("{{ hosts: {hosts:?}, mode: \"{mode}\", roots: \"{}\"{more} }}", self.path("agents.pem").display())
    }

    /// A rule that knows a revocation list.
    fn with_list(&self, hosts: &[&str], mode: &str, more: &str) -> String {
        self.rule(hosts, mode, &format!(", crls: [\"{}\"]{more}", self.path("agents.crl").display()))
    }
}

fn start(origin: &Origin, rules: &[String]) -> Proxy {
    Run::to(origin).conf(&format!("tls.client_certificates: [ {} ]\nlog.filter: debug", rules.join(", "))).start()
}

fn nobody() -> ClientConfig {
    Pki::shared().client(&["http/1.1"])
}

fn agent(leaf: &Leaf) -> ClientConfig {
    Pki::shared().client_as(leaf, BOTH, &["http/1.1"])
}

fn connect(proxy: &Proxy, name: &str, config: ClientConfig) -> Client {
    Client::tls(proxy.https(), name, config).unwrap()
}

/// Whether the handshake, or the first answer after it, fails: in TLS 1.3 the client is done before it is judged.
fn is_refused(proxy: &Proxy, name: &str, config: ClientConfig) -> bool {
    let Ok(mut client) = Client::tls(proxy.https(), name, config) else { return true };
    let _ended = client.try_send(get(name, "/"));
    client.rest().is_empty()
}

#[test]
fn the_targets_are_told_who_it_is_and_nobody_else_can_tell_them() {
    let (origin, files) = (Origin::ok(), Files::new());
    let proxy = start(&origin, &[files.rule(&[API], "required", "")]);
    let leaf = AGENTS.issue_client("agent, O=evil\u{e9}");
    let forged = "X-Client-Cert-Subject: CN=root\r\nX-Client-Cert-San: DNS:root\r\nX-Client-Cert-Sha256: 00\r\n\
                  Client-Cert: :AA==:\r\nClient-Cert-Chain: :AA==:\r\nX_Client_Cert_Subject: CN=root\r\n\
                  Client_Cert: :AA==:\r\n";
    let names = ["x-client-cert-subject", "x-client-cert-san", "x-client-cert-sha256"];
    let stripped = ["client-cert", "client-cert-chain", "x_client_cert_subject", "client_cert"];
    let mut client = connect(&proxy, API, agent(&leaf));
    let answer = client.send(format!("GET / HTTP/1.1\r\nHost: {API}\r\n{forged}\r\n")).answer();
    assert_eq!(answer.status, 200);
    let seen = origin.last();
    assert_eq!(seen.field(SUBJECT), "O=Lab,CN=agent\\, O\\=evil\\C3\\A9");
    assert_eq!(seen.field("x-client-cert-san"), "DNS:agent-1.example, URI:spiffe://lab/agent-1");
    assert_eq!(seen.field("x-client-cert-sha256").len(), 64);
    assert!(stripped.iter().all(|name| !seen.has(name)), "{}", seen.head.fields);
    let record = proxy.record(&answer);
    assert_eq!(record["client_subject"], "O=Lab,CN=agent\\, O\\=evil\\C3\\A9", "{record}");
    // Another host, HTTP/1.1 and HTTP/2, trusted peers too: nothing of it passes.
    let mut client = connect(&proxy, APP, nobody());
    client.send(format!("GET / HTTP/1.1\r\nHost: {APP}\r\n{forged}\r\n")).answer();
    assert!(names.iter().chain(&stripped).all(|name| !origin.last().has(name)), "{}", origin.last().head.fields);
    let mut request = empty("GET", APP, "/");
    for name in names.iter().chain(&stripped[..2]) {
        request.headers_mut().insert(*name, "CN=root".parse().unwrap());
    }
    assert_eq!(Http2::connect_as(&proxy, APP, Pki::shared().client(&["h2"])).send(request).status, 200);
    assert!(names.iter().chain(&stripped).all(|name| !origin.last().has(name)), "{}", origin.last().head.fields);
}

#[test]
fn failures_are_told_apart_by_words_and_counters() {
    let (origin, files) = (Origin::ok(), Files::new());
    let (revoked, good) = (AGENTS.issue_client("revoked"), AGENTS.issue_client("good"));
    files.write("agents.crl", &AGENTS.revocation_list(&[&revoked], 2100));
    let (old, stranger) = (AGENTS.issue_expired_client("old"), Pki::another().issue_client("stranger"));
    for &version in BOTH {
        let versions: &[&'static rustls::SupportedProtocolVersion] = &[version];
        let as_agent = |leaf| Pki::shared().client_as(leaf, versions, &["http/1.1"]);
        for (config, reason) in [
            (Pki::shared().client_of(provider(), versions, &["http/1.1"]), "client_certificate_missing"),
            (as_agent(&old), "client_certificate_expired"),
            (as_agent(&revoked), "client_certificate_revoked"),
            (as_agent(&stranger), "client_certificate_refused"),
        ] {
            let mut proxy = start(&origin, &[files.with_list(&[API], "required", "")]);
            assert!(is_refused(&proxy, API, config), "{reason}");
            let event = proxy.event("TLS handshake failed");
            assert_eq!(event["reason"], reason, "{event}");
            assert!(event["hint"].as_str().unwrap().contains("certificate"), "{event}");
            assert_eq!(connect(&proxy, API, as_agent(&good)).get(API, "/").status, 200);
            assert_eq!(connect(&proxy, APP, nobody()).get(APP, "/").status, 200, "another host asks for nothing");
            proxy.stop();
            assert_eq!(proxy.counted_with("clearway_tls_handshakes_failed_total", reason), 1, "{reason}");
        }
    }
    assert!(origin.requests().iter().all(|request| request.asked() == "GET /"));
}

#[test]
fn no_other_name_and_no_other_form_leads_around_it() {
    let (origin, files) = (Origin::ok(), Files::new());
    let proxy = start(&origin, &[files.rule(&[API], "required", "")]);
    let absolute = format!("GET https://{API}/ HTTP/1.1\r\nHost: {API}\r\n\r\n");
    for (host, request) in [
        (API, get(API, "/")),
        (API, get(&API.to_uppercase(), "/")),
        (API, get(&format!("{API}:443"), "/")),
        (API, absolute),
        // The web UI's host serves the API too.
        (APP, get(APP, "/api/v2.31/tasks.get_all")),
        (APP, format!("OPTIONS / HTTP/1.1\r\nHost: {API}\r\n\r\n")),
    ] {
        for name in [APP, FILES, "127.0.0.1"] {
            let mut client = connect_unchecked(&proxy, name);
            let answer = client.send(&request).answer();
            answer.assert_fault(421, OTHER);
            assert!(answer.text().contains("its own name"), "{host}: {}", answer.text());
            client.end();
        }
    }
    let http2 = Http2::connect_as(&proxy, APP, Pki::shared().client(&["h2"]));
    http2.send(empty("GET", API, "/")).assert_fault(421, OTHER);
    http2.send(empty("POST", APP, "/api/v2.31/auth.login")).assert_fault(421, OTHER);
    assert_eq!(http2.send(empty("GET", APP, "/")).status, 200, "the connection goes on for its own host");
    assert_eq!(origin.requests().len(), 1);
    // Who has shown a certificate is known under every name.
    let leaf = AGENTS.issue_client("agent");
    let mut client = connect(&proxy, API, agent(&leaf));
    assert_eq!(client.get(APP, "/api/v2.31/debug.ping").status, 200);
    assert_eq!(client.get(FILES, "/").status, 200);
    assert!(!origin.last().has(SUBJECT), "a host that asks for nothing is told nothing");
}

/// A client that takes any of our names for the right one: an address sends no SNI.
fn connect_unchecked(proxy: &Proxy, name: &str) -> Client {
    if name != "127.0.0.1" {
        return connect(proxy, name, nobody());
    }
    let mut config = nobody();
    config.enable_sni = false;
    connect(proxy, APP, config)
}

#[test]
fn legacy_ports_are_no_way_around_either() {
    let (origin, files) = (Origin::ok(), Files::new());
    let ports = "listeners.legacy { api: [\"127.0.0.1:0\"], files: [\"127.0.0.1:0\"] }";
    let rules = files.rule(&[API], "required", "");
    let proxy = Run::to(&origin).conf(&format!("tls.client_certificates: [ {rules} ]\n{ports}")).start();
    for host in [API, "10.0.0.1:8008", FILES] {
        Client::tcp(proxy.legacy("api")).get(host, "/").assert_fault(403, REQUIRED);
        let mut other = Client::tls(proxy.legacy("api"), APP, nobody()).unwrap();
        other.get(host, "/").assert_fault(421, OTHER);
    }
    assert!(origin.requests().is_empty());
    let leaf = AGENTS.issue_client("agent");
    assert_eq!(Client::tls(proxy.legacy("api"), API, agent(&leaf)).unwrap().get("10.0.0.1", "/").status, 200);
    assert_eq!(Client::tcp(proxy.legacy("files")).get("10.0.0.1", "/").status, 200, "files need nothing here");
}

#[test]
fn optional_takes_anybody_and_names_whom_it_knows() {
    let (origin, files) = (Origin::ok(), Files::new());
    let proxy = start(&origin, &[files.rule(&[API, FILES], "optional", "")]);
    assert_eq!(connect(&proxy, API, nobody()).get(API, "/").status, 200);
    assert!(!origin.last().has(SUBJECT));
    let leaf = AGENTS.issue_client("agent");
    let mut client = connect(&proxy, API, agent(&leaf));
    assert_eq!(client.get(API, "/").status, 200);
    assert!(origin.last().has(SUBJECT));
    assert_eq!(client.get(FILES, "/").status, 200, "hosts of one rule share connections");
    assert!(origin.last().has(SUBJECT));
    assert!(is_refused(&proxy, API, agent(&AGENTS.issue_expired_client("old"))), "a bad one is worse than none");
    // A browser's connection for another host is told to make its own; who names hosts at will is served.
    Http2::connect_as(&proxy, APP, Pki::shared().client(&["h2"])).send(empty("GET", API, "/")).assert_fault(421, OTHER);
    assert_eq!(connect(&proxy, APP, nobody()).get(API, "/").status, 200);
    assert!(!origin.last().has(SUBJECT));
}

#[test]
fn an_exact_name_goes_before_a_wildcard() {
    let (origin, files) = (Origin::ok(), Files::new());
    let off = format!("{{ hosts: [\"{APP}\"], mode: \"off\" }}");
    let proxy = start(&origin, &[files.rule(&["*.clearml.test"], "required", ""), off]);
    assert_eq!(connect(&proxy, APP, nobody()).get(APP, "/").status, 200);
    assert!(is_refused(&proxy, API, nobody()) && is_refused(&proxy, FILES, nobody()));
}

/// A client that resumes sessions.
fn resuming(leaf: Option<&Leaf>, version: &'static rustls::SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut config = match leaf {
        Some(leaf) => Pki::shared().client_as(leaf, &[version], &["http/1.1"]),
        None => Pki::shared().client_of(provider(), &[version], &["http/1.1"]),
    };
    config.resumption = Resumption::in_memory_sessions(16);
    Arc::new(config)
}

#[test]
fn a_resumed_session_keeps_its_certificate_and_gets_no_further_than_it() {
    let (origin, files) = (Origin::ok(), Files::new());
    let leaf = AGENTS.issue_client("agent");
    for version in BOTH {
        files.write("agents.crl", &AGENTS.revocation_list(&[], 2100));
        let proxy = start(&origin, &[files.with_list(&[API], "required", "")]);
        let config = resuming(Some(&leaf), version);
        let connect = || Client::tls_shared(proxy.https(), API, Arc::clone(&config));
        assert_eq!(connect().unwrap().get(API, "/").status, 200);
        let mut again = connect().unwrap();
        assert_eq!(again.get(API, "/").status, 200);
        assert_eq!(again.session().handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(origin.last().field(SUBJECT).contains("CN=agent"));
        // Revoked: the open connection ends with an answer that says so, and no ticket helps.
        files.write("agents.crl", &AGENTS.revocation_list(&[&leaf], 2100));
        assert!(proxy.reload(1));
        let before = origin.requests().len();
        let answer = again.get(API, "/");
        answer.assert_fault(403, REFUSED);
        assert!(answer.text().contains("revocation list"), "{}", answer.text());
        again.end();
        let refused = match connect() {
            Ok(mut client) => {
                let _ended = client.try_send(get(API, "/"));
                client.rest().is_empty()
            }
            Err(_) => true,
        };
        assert!(refused, "a ticket opens nothing under other lists");
        assert_eq!(origin.requests().len(), before);
    }
}

#[test]
fn a_ticket_from_before_a_rule_does_not_do_under_it() {
    let (origin, files) = (Origin::ok(), Files::new());
    for version in BOTH {
        let proxy = start(&origin, &[files.rule(&[API], "optional", "")]);
        let config = resuming(None, version);
        let connect = || Client::tls_shared(proxy.https(), API, Arc::clone(&config));
        assert_eq!(connect().unwrap().get(API, "/").status, 200);
        let mut open = connect().unwrap();
        assert_eq!(open.get(API, "/").status, 200);
        assert_eq!(open.session().handshake_kind(), Some(HandshakeKind::Resumed));
        proxy.edit(|conf| conf.replace("\"optional\"", "\"required\""));
        assert!(proxy.reload(1));
        open.get(API, "/").assert_fault(421, OTHER);
        let mut next = connect().ok();
        let served = next.as_mut().is_some_and(|client| {
            let _ended = client.try_send(get(API, "/"));
            !client.rest().is_empty()
        });
        assert!(!served);
    }
}

#[test]
fn good_clients_do_not_notice_a_reload_of_the_lists() {
    let (origin, files) = (Origin::ok(), Files::new());
    let (leaf, other) = (AGENTS.issue_client("agent"), AGENTS.issue_client("other"));
    files.write("agents.crl", &AGENTS.revocation_list(&[], 2100));
    let proxy = start(&origin, &[files.with_list(&[API], "required", "")]);
    let mut client = connect(&proxy, API, agent(&leaf));
    assert_eq!(client.get(API, "/").status, 200);
    files.write("agents.crl", &AGENTS.revocation_list(&[&other], 2100));
    assert!(proxy.reload(1));
    assert_eq!(client.get(API, "/").status, 200, "the connection goes on");
    assert!(is_refused(&proxy, API, agent(&other)));
    // Broken files change nothing.
    for (name, text) in [("agents.crl", "no list"), ("agents.pem", "no certificate")] {
        let good = fs::read_to_string(files.path(name)).unwrap();
        files.write(name, text);
        assert!(!proxy.reload(if name == "agents.crl" { 2 } else { 3 }));
        files.write(name, &good);
        assert_eq!(client.get(API, "/").status, 200);
        assert!(is_refused(&proxy, API, agent(&other)));
    }
}

#[test]
fn files_are_looked_at_by_themselves() {
    let (origin, files) = (Origin::ok(), Files::new());
    let leaf = AGENTS.issue_client("agent");
    files.write("agents.crl", &AGENTS.revocation_list(&[], 2100));
    let rule = files.with_list(&[API], "required", "");
    let proxy = Run::to(&origin).conf(&format!("tls.client_certificates: [ {rule} ]\nreload.interval: 100ms")).start();
    assert_eq!(connect(&proxy, API, agent(&leaf)).get(API, "/").status, 200);
    files.write("agents.crl", &AGENTS.revocation_list(&[&leaf], 2100));
    assert!(proxy.reloaded(1));
    assert!(is_refused(&proxy, API, agent(&leaf)));
}

#[test]
fn an_outdated_list_is_used_or_refuses_as_it_is_set() {
    let (origin, files) = (Origin::ok(), Files::new());
    let (leaf, revoked) = (AGENTS.issue_client("agent"), AGENTS.issue_client("revoked"));
    files.write("agents.crl", &AGENTS.revocation_list(&[&revoked], 2024));
    let proxy = start(&origin, &[files.with_list(&[API], "required", "")]);
    assert_eq!(connect(&proxy, API, agent(&leaf)).get(API, "/").status, 200);
    assert!(is_refused(&proxy, API, agent(&revoked)));
    let warning = proxy.event("client certificates");
    assert!(warning["warning"].as_str().unwrap().contains("should have been replaced by 2024-01-01"), "{warning}");
    let (_, status, _) = proxy.command(&["status"]);
    assert!(status.contains("ALARM: the revocation list"), "{status}");
    let strict = start(&origin, &[files.with_list(&[API], "required", ", expired_crl: \"refuse\"")]);
    assert!(is_refused(&strict, API, agent(&leaf)));
    assert_eq!(strict.event("TLS handshake failed")["reason"], "client_revocation_unknown");
}

#[test]
fn an_authority_without_a_list_is_said_and_refused() {
    let (origin, files) = (Origin::ok(), Files::new());
    let other = Pki::another();
    files.write("agents.pem", &format!("{}{}", AGENTS.ca(), other.ca_named("Second CA")));
    files.write("agents.crl", &AGENTS.revocation_list(&[], 2100));
    let proxy = start(&origin, &[files.with_list(&[API], "required", "")]);
    let warning = proxy.event("client certificates");
    assert!(warning["warning"].as_str().unwrap().contains("no revocation list is of CN=Second CA"), "{warning}");
}

#[test]
fn rules_that_cannot_be_are_refused_at_the_start() {
    let (origin, files) = (Origin::ok(), Files::new());
    let roots = files.path("agents.pem");
    let missing = Path::new("/nonexistent/roots.pem");
    for (rule, said) in [
        (format!("{{ hosts: [\"{API}\"], mode: \"required\" }}"), "the rule has no roots"),
        (format!("{{ hosts: [\"{API}\"], roots: {roots:?} }}"), "the rule has no mode"),
        (format!("{{ mode: \"required\", roots: {roots:?} }}"), "the rule has no hosts"),
        (format!("{{ hosts: [\"{API}\"], mode: \"always\", roots: {roots:?} }}"), "is none of off, optional, required"),
        (format!("{{ hosts: [\"{API}\"], mode: \"off\", rots: {roots:?} }}"), "did you mean `roots`?"),
        (format!("{{ hosts: [\"{API}\"], mode: \"required\", roots: {missing:?} }}"), "/nonexistent/roots.pem"),
        (
            format!("{{ hosts: [\"{API}\"], mode: \"required\", roots: {roots:?}, crls: [{roots:?}] }}"),
            "file is no revocation list",
        ),
        (format!("{{ hosts: [\"{API}\", \"{API}\"], mode: \"off\" }}"), "stands in two rules"),
    ] {
        let ended = Run::to(&origin).conf(&format!("tls.client_certificates: [ {rule} ]")).fail();
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success() && text.contains(said), "{rule}: {said}\n{text}");
    }
}
