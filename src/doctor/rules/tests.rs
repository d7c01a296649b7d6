//! A good set-up, and what one change makes of it.

use super::super::evidence::{
    Compose, ComposeService, Door, Echo, Evidence, Heard, PlainPort, PublishedPort, Question, TargetSeen, TlsSeen,
    TlsTrouble, Unheard, Variable,
};
use super::super::finding::{Code, Severity};
use super::super::url::service_urls;
use super::judge;
use crate::config::{Environment, read_server_conf};
use crate::domain::names::ServiceName;
use crate::tls::ChainFault;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

const PING: &str = r#"{"meta":{"result_code":200},"data":{"msg":"ClearML server","clearway":"doctor"}}"#;
const MODES: &str = r#"{"meta":{"result_code":200},"data":{"basic":{"enabled":true},"server_errors":{"es":false}}}"#;
const PAGE: &str = "<!doctype html><title>ClearML</title>";
const COOKIE: &str = "clearml_token_basic=a.b.c; HttpOnly; Path=/; Domain=.ml.corp; Secure";

fn heard(status: u16, body: &str, fields: &[(&'static str, &str)]) -> Heard {
    let pairs =
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(name, value);
    }
    Heard { status: StatusCode::from_u16(status).unwrap(), headers, body: body.as_bytes().to_vec(), at: None }
}

/// What a page of the web UI may read.
const READABLE: [(&str, &str); 2] =
    [("access-control-allow-origin", "https://app.ml.corp"), ("access-control-allow-credentials", "true")];

fn door(host: &str) -> Door {
    let addr: SocketAddr = "10.0.0.1:443".parse().unwrap();
    let seen = TlsSeen {
        faults: Vec::new(),
        system_only: false,
        not_after: Some(UNIX_EPOCH + Duration::from_secs(200 * 24 * 3600)),
    };
    Door {
        host: host.to_owned(),
        port: 443,
        addresses: Ok(vec![addr.ip()]),
        reached: Some(Ok(addr)),
        tls: Some(Ok(seen)),
    }
}

fn target(service: ServiceName, addr: &str, body: &str) -> TargetSeen {
    TargetSeen { service, addr: addr.to_owned(), answer: Ok(heard(200, body, &[])), kind: Some(service) }
}

fn good() -> Evidence {
    let answers = [
        (Question::Page, heard(200, PAGE, &[])),
        (Question::WebConfiguration, heard(200, "{}", &[])),
        (Question::AppApi, heard(200, PING, &[])),
        (Question::AppFiles, heard(200, "OK", &[])),
        (Question::Ping, heard(200, PING, &[])),
        (Question::PingWithBody, heard(200, PING, &[])),
        (Question::Modes, heard(200, MODES, &READABLE)),
        (Question::Preflight, heard(200, "", &READABLE)),
        (Question::Login, heard(200, "{}", &[("set-cookie", COOKIE)])),
        (Question::FilesRoot, heard(200, "OK", &[])),
        (Question::FilesMissing, heard(401, "", &[])),
        (Question::EmptyUpload, heard(401, "", &[])),
        (Question::PlainPage, heard(308, "", &[("location", "https://app.ml.corp/")])),
        (Question::PlainUpload, heard(403, "", &[])),
        (Question::PlainCall, heard(308, "", &[("location", "https://api.ml.corp/debug.ping")])),
    ];
    let mut answers = answers.map(|(question, heard)| (question, Ok(heard))).into_iter().collect::<BTreeMap<_, _>>();
    answers.insert(Question::LargeUpload, Err(Unheard::Silent));
    answers.insert(Question::LargeCall, Err(Unheard::Silent));
    Evidence {
        now: UNIX_EPOCH + Duration::from_secs(24 * 3600),
        urls: service_urls(&["https://app.ml.corp".to_owned()]).unwrap(),
        configuration: Vec::new(),
        doors: ["app.ml.corp", "api.ml.corp", "files.ml.corp"].map(door).to_vec(),
        answers,
        targets: vec![
            target(ServiceName::App, "127.0.0.1:8080", PAGE),
            target(ServiceName::Api, "127.0.0.1:8008", PING),
            target(ServiceName::Files, "127.0.0.1:8081", "OK"),
        ],
        plain_ports: Vec::new(),
        published_keys: Vec::new(),
        published_secret: None,
        skews: vec![(String::from("https://api.ml.corp"), -2)],
        server: None,
        server_is_guessed: false,
        repairs_cookies: false,
        compose: None,
        open_files: Some((1 << 20, 1 << 15)),
        echo: Some(Echo::Same),
    }
}

fn codes(evidence: &Evidence) -> Vec<&'static str> {
    judge(evidence).iter().map(|finding| finding.code.as_str()).collect()
}

/// The good set-up with one other answer.
fn answering(question: Question, answer: Heard) -> Evidence {
    let mut evidence = good();
    evidence.answers.insert(question, Ok(answer));
    evidence
}

#[test]
fn a_good_set_up_has_no_finding() {
    assert_eq!(codes(&good()), [""; 0]);
}

#[test]
fn one_other_answer_is_one_finding() {
    let cookie = |line: &str| heard(200, "{}", &[("set-cookie", line)]);
    let origin = |values: &[&str]| {
        let fields = values.iter().map(|value| ("access-control-allow-origin", *value)).chain([READABLE[1]]);
        heard(200, "", &fields.collect::<Vec<_>>())
    };
    let challenge = [("www-authenticate", "Basic realm=x")];
    for (question, answer, code) in [
        (Question::Page, heard(502, "", &[]), "proxy-lost-target"),
        (Question::Page, heard(200, "Welcome to nginx", &[]), "wrong-service"),
        (Question::WebConfiguration, heard(200, PAGE, &[]), "ui-configuration"),
        (Question::WebConfiguration, heard(200, r#"{"apiBaseUrl":"https://x"}"#, &[]), "ui-guess"),
        (Question::WebConfiguration, heard(200, r#"{"fileBaseUrl":"https://x"}"#, &[]), "ui-files"),
        (Question::AppApi, heard(404, "", &[]), "app-paths"),
        (Question::AppFiles, heard(200, PAGE, &[]), "app-paths"),
        (Question::PingWithBody, heard(400, "", &[]), "get-body-refused"),
        (Question::PingWithBody, heard(200, r#"{"data":{"msg":"ClearML server"}}"#, &[]), "get-body-dropped"),
        (
            Question::Modes,
            heard(200, &MODES.replace("enabled\":true", "enabled\":false"), &READABLE),
            "fixed-users-off",
        ),
        (Question::Modes, heard(200, &MODES.replace("es\":false", "es\":true"), &READABLE), "server-errors"),
        (Question::Modes, heard(200, MODES, &[]), "cors-missing"),
        (Question::Preflight, heard(405, "", &[]), "cors-refused"),
        (Question::Preflight, heard(401, "", &challenge), "cors-refused"),
        (Question::Preflight, origin(&["https://app.ml.corp", "*"]), "cors-doubled"),
        (Question::Preflight, origin(&["*"]), "cors-missing"),
        (Question::Login, cookie("t=a.b.c; Path=/; Secure"), "cookie-host-only"),
        (Question::Login, cookie("t=a.b.c; Domain=.other.corp; Secure"), "cookie-domain"),
        (Question::Login, cookie("t=a.b.c; Domain=ml.corp"), "cookie-not-secure"),
        (Question::FilesRoot, heard(200, PING, &[]), "wrong-service"),
        (Question::FilesMissing, heard(404, "", &[]), "files-open"),
        (Question::EmptyUpload, heard(405, "", &[]), "files-path"),
        (Question::LargeUpload, heard(413, "", &[]), "body-limit-files"),
        (Question::LargeCall, heard(413, "", &[]), "body-limit-api"),
        (Question::PlainUpload, heard(301, "", &[]), "http-upload-lost"),
        (Question::PlainUpload, heard(308, "", &[]), "http-upload-redirected"),
        (Question::PlainUpload, heard(401, "", &[]), "http-upload-accepted"),
        (Question::PlainCall, heard(302, "", &[]), "http-call-lost"),
        (Question::PlainPage, heard(200, PAGE, &[]), "http-page-not-led"),
    ] {
        let found = codes(&answering(question, answer.clone()));
        assert!(found.contains(&code), "{question:?} {}: {found:?}, not {code}", answer.status);
        assert!(found.len() <= 2, "{question:?} {}: {found:?}", answer.status);
    }
    let found = codes(&answering(Question::Ping, heard(401, "", &challenge)));
    assert_eq!(found, ["proxy-login"]);
}

#[test]
fn what_the_proxy_answers_for_a_service_is_not_taken_for_the_service() {
    let envelope = r#"{"meta":{"result_code":503},"data":{}}"#;
    for (fault, change) in [
        ("target; target_unreachable", "reload the proxy"),
        ("proxy; maintenance", "clearway maintenance off api"),
        ("client; client_certificate_required", "clearway explain https://api.ml.corp"),
    ] {
        let mut evidence = good();
        let asked = [Question::AppApi, Question::ApiRoot, Question::Ping, Question::PingWithBody, Question::Modes];
        for question in asked.into_iter().chain([Question::Preflight]) {
            evidence.answers.insert(question, Ok(heard(503, envelope, &[("x-fault", fault)])));
        }
        let found = judge(&evidence);
        assert_eq!(found.len(), 1, "{fault}: {found:?}");
        assert!(found[0].evidence.contains(fault) && found[0].change.contains(change), "{fault}: {found:?}");
    }
}

#[test]
fn the_line_for_a_port_leads_to_the_container_s_own() {
    let mut evidence = good();
    let addr: SocketAddr = "10.0.0.1:8080".parse().unwrap();
    evidence.plain_ports.push(PlainPort { addr, kind: ServiceName::App });
    assert!(judge(&evidence)[0].change.contains("\"127.0.0.1:8080:80\""), "{:?}", judge(&evidence));
}

#[test]
fn a_cookie_s_domain_may_be_set_by_a_variable_and_a_file_may_be_another_server_s() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apiserver.conf");
    std::fs::write(&file, "auth { }").unwrap();
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good();
        evidence.answers.remove(&Question::Login);
        evidence.server = read_server_conf(Some(&file), &Environment::default());
        evidence.server.as_mut().unwrap().problems.clear();
        change(&mut evidence);
        judge(&evidence).iter().map(|finding| (finding.code.as_str(), finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(with(&|_| {}), [("cookie-host-only", Severity::Error)]);
    assert_eq!(with(&|evidence| evidence.server_is_guessed = true), [("cookie-host-only", Severity::Hint)]);
    let by_variable = |evidence: &mut Evidence| {
        let name = String::from("CLEARML__APISERVER__AUTH__COOKIES__DOMAIN");
        let environment = vec![Variable { name, value: String::from("\".ml.corp\""), at: (1, 1) }];
        let service = ComposeService { environment, ..ComposeService::default() };
        evidence.compose = Some(Compose { file: "c.yml".into(), services: vec![service] });
    };
    assert_eq!(with(&by_variable), []);
}

#[test]
fn certificates_and_ports_are_named() {
    let with = |change: &dyn Fn(&mut Door)| {
        let mut evidence = good();
        change(&mut evidence.doors[1]);
        codes(&evidence)
    };
    let fault = |fault: ChainFault| {
        with(&move |door| {
            if let Some(Ok(seen)) = &mut door.tls {
                seen.faults.push(fault.clone());
            }
        })
    };
    let names = |names: &[&str]| ChainFault::WrongName(names.iter().map(|name| (*name).to_owned()).collect());
    for (found, code) in [
        (fault(ChainFault::Expired(UNIX_EPOCH)), "certificate-expired"),
        (fault(ChainFault::NotYetValid(UNIX_EPOCH)), "certificate-not-yet"),
        (fault(names(&["other.test"])), "certificate-name"),
        (fault(names(&["*.corp"])), "wildcard-level"),
        (fault(ChainFault::Incomplete("CN=I".into())), "certificate-incomplete"),
        (fault(ChainFault::SelfSigned), "certificate-self-signed"),
        (fault(ChainFault::UnknownAuthority("CN=R".into())), "certificate-untrusted"),
        (with(&|door| door.addresses = Err("no".into())), "name-unresolved"),
        (with(&|door| door.addresses = Ok(vec!["10.0.0.9".parse().unwrap()])), "names-apart"),
        (with(&|door| door.reached = Some(Err("refused".into()))), "port-closed"),
        (with(&|door| door.tls = Some(Err(TlsTrouble { plain: true, text: String::new() }))), "not-tls"),
        (with(&|door| door.tls = Some(Err(TlsTrouble { plain: false, text: String::new() }))), "tls-failed"),
    ] {
        assert_eq!(found, [code]);
    }
    let mut evidence = good();
    evidence.now = UNIX_EPOCH + Duration::from_secs(190 * 24 * 3600);
    assert_eq!(codes(&evidence), ["certificate-expires"; 3]);
}

#[test]
fn the_rest_of_the_evidence_is_judged() {
    let with = |change: &dyn Fn(&mut Evidence)| {
        let mut evidence = good();
        change(&mut evidence);
        codes(&evidence)
    };
    let addr: SocketAddr = "10.0.0.1:8008".parse().unwrap();
    for (found, code) in [
        (with(&|e| e.published_keys.push(("apiserver", "change it"))), "published-key"),
        (with(&|e| e.published_secret = Some("clearml-server")), "published-secret"),
        (with(&|e| e.plain_ports.push(PlainPort { addr, kind: ServiceName::Api })), "plain-port-open"),
        (with(&|e| e.skews[0].1 = 120), "clock-skew"),
        (with(&|e| e.open_files = Some((1_024, 33_024))), "open-files"),
        (with(&|e| e.echo = Some(Echo::Changed)), "upload-changed"),
        (with(&|e| e.echo = Some(Echo::Failed("413".into()))), "upload-failed"),
        (with(&|e| e.echo = Some(Echo::Kept("405".into()))), "upload-kept"),
        (with(&|e| e.targets[1].kind = Some(ServiceName::Files)), "target-wrong"),
        (with(&|e| e.targets[1].answer = Err(Unheard::Silent)), "target-down"),
        (with(&|e| e.targets[1].answer = Ok(heard(404, "", &[("x-request-id", "1")]))), "target-loop"),
        (with(&|e| e.targets[1].answer = Ok(heard(301, "", &[]))), "target-redirects"),
    ] {
        assert_eq!(found, [code]);
    }
    let mut late = good();
    late.skews[0].1 = -4_000;
    assert_eq!(judge(&late)[0].severity, Severity::Error);
}

#[test]
fn a_compose_file_is_judged_with_places() {
    let service = |image: &str, ports: &[(&str, u16)], environment: &[(&str, &str)]| ComposeService {
        name: String::from("s"),
        image: image.to_owned(),
        ports: ports
            .iter()
            .map(|(text, target)| PublishedPort {
                text: (*text).to_owned(),
                closed: format!("127.0.0.1:{text}"),
                open: true,
                target: *target,
                at: (3, 7),
            })
            .collect(),
        environment: environment
            .iter()
            .map(|(name, value)| Variable { name: (*name).to_owned(), value: (*value).to_owned(), at: (5, 9) })
            .collect(),
    };
    for (service, expected) in [
        (service("clearml/server:latest", &[("8008:8008", 8008)], &[]), Some((Code::ComposePlainPort, (3, 7)))),
        (service("clearway:0.1.0", &[("443:443", 443), ("80:80", 80)], &[]), None),
        (service("nginx", &[("80:80", 80)], &[]), None),
        (service("mongo:7", &[("27017:27017", 27017)], &[]), Some((Code::ComposeDatabasePort, (3, 7)))),
        (service("x", &[], &[("WEBSERVER__fileBaseUrl", "https://f")]), Some((Code::ComposeWebSetting, (5, 9)))),
        (service("x", &[], &[("WEBSERVER__fileBaseUrl", "\"https://f\"")]), None),
        (
            service("x", &[], &[("CLEARML_FILES_HOST", "http://fileserver:8081")]),
            Some((Code::ComposeInternalUrl, (5, 9))),
        ),
        (service("x", &[], &[("CLEARML_FILES_HOST", "https://files.ml.corp")]), None),
        (service("x", &[], &[("CLEARML_FILES_HOST", "${FILES:-}")]), None),
        (
            service("x", &[], &[("CLEARML__services__async_urls_delete__fileserver__url_prefixes", "[http://x:8081]")]),
            Some((Code::ComposeDeletePrefix, (5, 9))),
        ),
    ] {
        let mut evidence = good();
        evidence.compose = Some(Compose { file: "docker-compose.yml".into(), services: vec![service.clone()] });
        let found = judge(&evidence);
        let found = found.first().map(|finding| (finding.code, finding.place.as_ref().unwrap().at.unwrap()));
        assert_eq!(found, expected, "{service:?}");
    }
}
