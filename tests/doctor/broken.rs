//! Broken set-ups, each rebuilt from what people report, and what doctor has to call it. Nothing else may be said of it.

use super::certificates::Kind;
use super::imitation::{Asked, Told};
use super::scene::{NAMES, Report, Scene, Service, Trust, clearway};
use std::sync::Mutex;
use std::thread;

/// What it is, where it is reported, the set-up, and the findings.
type Row = (&'static str, &'static str, fn(&mut Scene), &'static [&'static str]);

const FREE: [&str; 3] = ["clearml.test", "api-clearml.clearml.test", "files-clearml.clearml.test"];
const ONE: [&str; 3] = ["clearml.test", "clearml.test", "clearml.test"];

/// The configuration that names a UI which is not called `app.` all it needs.
fn told_ui(asked: &Asked, told: Told, file: &str) -> Told {
    if asked.path == "/configuration.json" {
        let port = asked.field("host").unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned();
        return Told { body: file.replace("PORT", &port), ..told };
    }
    told
}

const COOKIES: &[Row] = &[
    (
        "images are 401: the cookie is the API's alone",
        "clearml-server#248",
        |s| s.server.cookie = "; Secure".into(),
        &["cookie-host-only"],
    ),
    (
        "login again and again: the cookie is for another domain",
        "clearml-server#81",
        |s| s.server.cookie = "; Domain=.old.test; Secure".into(),
        &["cookie-domain"],
    ),
    (
        "the proxy sends its own Host to the API",
        "clearml-server#210",
        |s| {
            s.server.cookie = "; Secure".into();
            s.apiserver_conf = "auth { cookies { domain: [\".other.test\", \".clearml.test\"] }\n fixed_users { enabled: true, \
                            users: [ { username: a, password: \"long enough 1\", name: A } ] } }";
        },
        &["host-rewritten", "fixed-users"],
    ),
    (
        "a cookie domain left over from a move, nobody to sign in",
        "clearml-server#164",
        |s| {
            s.signs_in = false;
            s.apiserver_conf = "auth {\n  cookies { domain: \".old.test\" }\n  fixed_users { enabled: true, pass_hashed: true, users: [ { \
                            username: a, password: \"JDJiJDEwJFEzSGFNS0dyUWs2amU0bXBrT1VueWVCVGZDbGowSWpZaWl1SExNVUR0Z3JMTHVhMDFNWS95\", name: A } ] }\n}\n";
        },
        &["cookie-conf"],
    ),
];

const NAMES_AND_TLS: &[Row] = &[
    (
        "one of the three names is missing",
        "clearml-server#9",
        |s| s.resolve = "api.clearml.test:",
        &["name-unresolved"],
    ),
    ("nobody listens", "clearml#187", |s| s.closed = true, &["port-closed"]),
    ("TLS is expected at the plain port", "clearml-server#34", |s| s.plain_as_https = true, &["not-tls"]),
    ("a wildcard one level too high", "clearml-web#47", |s| s.certificate.1 = &["*.test"], &["wildcard-level"]),
    ("the certificate is for the web UI only", "clearml#109", |s| s.certificate.1 = &[NAMES[0]], &["certificate-name"]),
    ("self-signed", "clearml-server#272", |s| s.certificate.0 = Kind::SelfSigned, &["certificate-self-signed"]),
    ("an authority that nobody knows", "clearml#7", |s| s.certificate.0 = Kind::Stranger, &["certificate-untrusted"]),
    ("the intermediate is missing", "clearml#1107", |s| s.certificate.0 = Kind::Alone, &["certificate-incomplete"]),
    ("out of date", "nebari#932", |s| s.certificate.0 = Kind::Expired, &["certificate-expired"]),
    ("from the future", "clearml-server#272", |s| s.certificate.0 = Kind::Future, &["certificate-not-yet"]),
    ("not renewed", "clearml-server#272", |s| s.certificate.0 = Kind::EndsSoon, &["certificate-expires"]),
    (
        "a company's authority that only the system has",
        "clearml#1107",
        |s| s.trust = Trust::System,
        &["certificate-system-only"],
    ),
];

const PLAIN: &[Row] = &[
    (
        "uploads vanish: http is redirected with 301",
        "measured",
        |s| s.plain = |asked| Told::new(301, "").field(&format!("Location: https://{}/", asked.host)),
        &["http-upload-lost", "http-call-lost"],
    ),
    (
        "uploads over http hang: everything is redirected with 308",
        "measured",
        |s| s.plain = |asked| Told::new(308, "").field(&format!("Location: https://{}/", asked.host)),
        &["http-upload-redirected"],
    ),
    (
        "http is served as well",
        "clearml-server#34",
        |s| {
            s.plain = |asked| match asked.method.as_str() {
                "POST" => Told::new(401, "Unauthorized"),
                _ => Told::new(308, "").field("Location: https://app.clearml.test/"),
            }
        },
        &["http-upload-accepted"],
    ),
    (
        "port 8008 is open beside the proxy",
        "clearml-server#78",
        |s| s.resolve = "*:127.0.0.2",
        &["plain-port-open", "hsts-subdomains"],
    ),
];

const LIMITS: &[Row] = &[
    (
        "413 on uploads",
        "clearml#1015",
        |s| {
            s.proxy = |asked, service, told| match (service, asked.length) {
                (Service::Files, 1_048_577..) => Some(Told::new(413, "")),
                _ => Some(told),
            }
        },
        &["body-limit-files"],
    ),
    (
        "413 on batches of events",
        "clearml#606",
        |s| {
            s.proxy = |asked, service, told| match (service, asked.length) {
                (Service::Api, 1_048_577..) => Some(Told::new(413, "")),
                _ => Some(told),
            }
        },
        &["body-limit-api"],
    ),
    (
        "a load balancer refuses GET with a body",
        "clearml-server#193",
        |s| {
            s.proxy = |asked, _, told| match (asked.method.as_str(), asked.length) {
                ("GET", 1..) => Some(Told::new(400, "Bad Request")),
                _ => Some(told),
            }
        },
        &["get-body-refused"],
    ),
    (
        "a load balancer takes the body of a GET off",
        "clearml#517",
        |s| {
            s.proxy = |asked, _, told| match (asked.method.as_str(), asked.path.as_str()) {
                ("GET", "/debug.ping") => Some(Told::new(
                    200,
                    told.body.replace(",\"clearway\":\"doctor\"", "").replace("\"clearway\":\"doctor\",", ""),
                )),
                _ => Some(told),
            }
        },
        &["get-body-dropped"],
    ),
    (
        "a load balancer hangs up on GET with a body",
        "clearml#517",
        |s| {
            s.proxy = |asked, _, told| match (asked.method.as_str(), asked.length) {
                ("GET", 1..) => None,
                _ => Some(told),
            }
        },
        &["get-body-refused"],
    ),
];

const SERVICES: &[Row] = &[
    (
        "502 after a container restarted",
        "clearml-server#72",
        |s| {
            s.proxy = |_, service, told| {
                Some(match service {
                    Service::Api => Told::new(502, "<html>Bad Gateway"),
                    _ => told,
                })
            }
        },
        &["proxy-lost-target"],
    ),
    (
        "503 for everything",
        "clearml-server-helm#3",
        |s| {
            s.targets = false;
            s.proxy = |_, _, _| Some(Told::new(503, "no healthy upstream"));
        },
        &["service-unavailable"],
    ),
    (
        "API and files swapped",
        "clearml#98",
        |s| {
            s.targets = false;
            s.proxy = |asked, service, told| {
                Some(match service {
                    Service::Api if asked.path == "/" || asked.path.contains("debug.ping") => Told::new(200, "OK"),
                    Service::Files if asked.path == "/" => Told::new(200, r#"{"meta":{"result_code":400}}"#),
                    _ => told,
                })
            };
        },
        &["wrong-service"],
    ),
    (
        "the API's name shows the web UI",
        "clearml#778",
        |s| {
            s.targets = false;
            s.proxy = |_, service, told| {
                Some(match service {
                    Service::Api => Told::new(200, "<!doctype html><title>ClearML</title>"),
                    _ => told,
                })
            };
        },
        &["wrong-service"],
    ),
    (
        "a fresh nginx in front of nothing",
        "clearml-server#291",
        |s| {
            s.targets = false;
            s.proxy = |_, _, _| Some(Told::new(200, "<html><title>Welcome to nginx!</title>"));
        },
        &["wrong-service", "app-paths", "ui-configuration"],
    ),
    (
        "widgets are 401 or empty: the web UI's host has no /api",
        "clearml-server#218",
        |s| {
            s.proxy = |asked, service, told| {
                Some(match service {
                    Service::App if asked.path.starts_with("/api/") => Told::new(404, ""),
                    _ => told,
                })
            }
        },
        &["app-paths"],
    ),
    (
        "POST /files is 405",
        "clearml-server#24",
        |s| {
            s.names = ONE;
            s.certificate.1 = &ONE;
            s.proxy = |asked, _, told| {
                Some(match (asked.method.as_str(), asked.path.as_str()) {
                    ("POST", "/files") => Told::new(405, ""),
                    (_, "/configuration.json") => told_ui(
                        asked,
                        told,
                        r#"{"apiBaseUrl":"/api","fileBaseUrl":"/files","displayedServerUrls":{"filesServer":"/files"}}"#,
                    ),
                    _ => told,
                })
            };
        },
        &["files-path"],
    ),
    (
        "POST to the file server is redirected",
        "clearml-server#261",
        |s| {
            s.proxy = |asked, service, told| {
                Some(match (service, asked.method.as_str()) {
                    (Service::Files, "POST") => Told::new(301, "").field("Location: /files/"),
                    _ => told,
                })
            }
        },
        &["files-path"],
    ),
    (
        "a proxy that asks for a password",
        "clearml-server#34",
        |s| {
            s.proxy = |asked, service, told| {
                Some(match (service, asked.method.as_str()) {
                    (Service::Api | Service::Files, "GET" | "POST") => {
                        Told::new(401, "").field("WWW-Authenticate: Basic realm=\"clearml\"")
                    }
                    _ => told,
                })
            }
        },
        &["proxy-login"],
    ),
];

const UI: &[Row] = &[
    (
        "the web UI asks port 8008",
        "clearml-server#34",
        |s| {
            s.names = FREE;
            s.certificate.1 = &FREE;
        },
        &["ui-guess", "ui-files"],
    ),
    (
        "the credentials dialog shows a guess",
        "clearml-web#67",
        |s| {
            s.names = FREE;
            s.certificate.1 = &FREE;
            s.proxy = |asked, _, told| {
                Some(told_ui(
                    asked,
                    told,
                    r#"{"apiBaseUrl":"https://api-clearml.clearml.test:PORT","fileBaseUrl":"https://files-clearml.clearml.test:PORT"}"#,
                ))
            };
        },
        &["ui-files"],
    ),
    (
        "the web UI is told an old API",
        "clearml-server#181",
        |s| s.proxy = |asked, _, told| Some(told_ui(asked, told, r#"{"apiBaseUrl":"http://10.0.0.1:8008"}"#)),
        &["ui-guess"],
    ),
    (
        "configuration.json is the page",
        "clearml-server#215",
        |s| {
            s.proxy = |asked, _, told| {
                Some(match asked.path.as_str() {
                    "/configuration.json" => Told::new(200, "<!doctype html><title>ClearML</title>"),
                    _ => told,
                })
            }
        },
        &["ui-configuration"],
    ),
    (
        "CORS fields are lost",
        "clearml-server#31",
        |s| s.proxy = |_, _, told| Some(told.without("access-control")),
        &["cors-missing"],
    ),
    (
        "CORS fields are added twice",
        "clearml-server#199",
        |s| {
            s.proxy = |_, service, told| {
                Some(match service {
                    Service::Api => told.field("Access-Control-Allow-Origin: *"),
                    _ => told,
                })
            }
        },
        &["cors-doubled"],
    ),
    (
        "OPTIONS is refused",
        "clearml-server#199",
        |s| {
            s.proxy = |asked, _, told| {
                Some(match asked.method.as_str() {
                    "OPTIONS" => Told::new(405, ""),
                    _ => told,
                })
            }
        },
        &["cors-refused"],
    ),
];

const SERVER: &[Row] = &[
    ("no passwords", "clearml-server#34", |s| s.server.fixed_users = false, &["fixed-users-off"]),
    ("a published login opens it", "default secrets", |s| s.server.published = true, &["published-key"]),
    (
        "tokens are signed with the published secret",
        "default secrets",
        |s| s.server.published_secret = true,
        &["published-secret"],
    ),
    ("files need no login", "GHSA-6g66-738j-p78c", |s| s.server.files_auth = false, &["files-open"]),
    ("Elasticsearch is not there", "clearml-server#154", |s| s.server.database_error = true, &["server-errors"]),
    ("clocks differ", "clearml-agent#145", |s| s.server.clock = -900, &["clock-skew"]),
    (
        "plain passwords where hashes are announced",
        "ClearML's documentation",
        |s| {
            s.apiserver_conf = "auth { cookies { \
        domain: \".clearml.test\" }\n fixed_users { enabled: true, pass_hashed: true, users: [ { username: a, password: plain, name: A } ] } }"
        },
        &["fixed-users"],
    ),
    (
        "a target redirects to https",
        "clearml#1082",
        |s| {
            s.target = |_, service, told| {
                Some(match service {
                    Service::App => Told::new(301, "").field("Location: https://app.clearml.test/"),
                    _ => told,
                })
            }
        },
        &["target-redirects"],
    ),
    (
        "a target is the proxy again",
        "clearml#1451",
        |s| {
            s.target = |_, service, told| {
                Some(match service {
                    Service::App => told.field("X-Request-Id: 1"),
                    _ => told,
                })
            }
        },
        &["target-loop"],
    ),
    (
        "targets of API and files swapped",
        "clearml#98",
        |s| {
            s.target = |asked, service, told| {
                Some(match (service, asked.path.as_str()) {
                    (Service::Files, _) => Told::new(400, r#"{"meta":{"result_code":400}}"#),
                    (Service::Api, "/") => Told::new(200, "OK"),
                    (Service::Api, _) => Told::new(401, "Unauthorized"),
                    _ => told,
                })
            }
        },
        &["target-wrong"],
    ),
    (
        "a service is down",
        "clearml-server#176",
        |s| {
            s.target = |_, service, told| match service {
                Service::Files => None,
                _ => Some(told),
            }
        },
        &["target-down"],
    ),
];

const DOWN: &[Row] = &[(
    "the API is down behind Clearway, which answers in its form",
    "clearml-server#31",
    |s| {
        s.proxy = |asked, service, told| {
            let of_api = service == Service::Api || asked.path.starts_with("/api/");
            Some(if of_api {
                Told::new(503, r#"{"meta":{"result_code":503,"result_msg":"..."},"data":{}}"#)
                    .field("X-Fault: target; target_unreachable")
                    .field("Access-Control-Allow-Origin: *")
            } else {
                told
            })
        };
        s.target = |_, service, told| match service {
            Service::Api => None,
            _ => Some(told),
        };
    },
    &["service-unavailable", "target-down"],
)];

const COMPOSE: &[Row] = &[
    (
        "plain ports are published",
        "ClearML's compose file",
        |s| {
            s.compose = "services:\n  apiserver:\n    image: clearml/server:latest\n    ports:\n      - \"8008:8008\"\n"
        },
        &["compose-plain-port"],
    ),
    (
        "a database is published",
        "ClearML's documentation",
        |s| s.compose = "services:\n  mongo:\n    image: mongo:7\n    ports:\n      - \"27017:27017\"\n",
        &["compose-database-port"],
    ),
    (
        "settings of the web server crash its container",
        "measured",
        |s| s.compose = "services:\n  webserver:\n    image: clearml/server\n    environment:\n      WEBSERVER__fileBaseUrl: https://files.clearml.test\n",
        &["compose-web-setting"],
    ),
    (
        "tasks are given internal URLs",
        "clearml#480",
        |s| {
            s.compose =
                "services:\n  agent-services:\n    environment:\n      CLEARML_FILES_HOST: http://fileserver:8081\n"
        },
        &["compose-internal-url"],
    ),
    (
        "files behind old URLs are never deleted",
        "clearml-server#83",
        |s| s.compose = "services:\n  async_delete:\n    environment:\n      CLEARML__services__async_urls_delete__fileserver__url_prefixes: \"[http://10.0.0.1:8081]\"\n",
        &["compose-delete-prefix"],
    ),
];

/// Looks at all of them, a few at a time; what went wrong.
fn look(rows: &'static [Row]) {
    let (next, wrong) = (Mutex::new(rows.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some((what, reported, change, expected)) = next.lock().unwrap().next() else { return };
                    let mut scene = Scene::good();
                    change(&mut scene);
                    let report = scene.look();
                    if report.found(false) != expected.iter().copied().collect() {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{what} ({reported}), expected {expected:?}: {:#}", report.json));
                    }
                    check_form(&report);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each finding is whole, and the exit code is that of the worst.
fn check_form(report: &Report) {
    let findings = report.json["findings"].as_array().unwrap();
    for finding in findings {
        for part in ["what", "subject", "evidence", "why", "change"] {
            assert!(finding[part].as_str().is_some_and(|text| !text.is_empty()), "{part} of {finding}");
        }
    }
    let expected = match report.json["worst"].as_str() {
        Some("error") => 1,
        Some("warning") => 4,
        _ => 0,
    };
    assert_eq!(report.code, expected);
    let text = report.json.to_string();
    assert!(!text.contains("a.b.c") && !text.contains("a2V5OnNlY3JldA"), "a secret is shown: {text}");
}

#[test]
fn broken_cookies_are_named() {
    look(COOKIES);
}

#[test]
fn broken_names_and_certificates_are_named() {
    look(NAMES_AND_TLS);
}

#[test]
fn what_plain_http_loses_is_named() {
    look(PLAIN);
}

#[test]
fn limits_on_bodies_are_named() {
    look(LIMITS);
}

#[test]
fn services_in_the_wrong_place_are_named() {
    look(SERVICES);
}

#[test]
fn what_browsers_mind_is_named() {
    look(UI);
}

#[test]
fn broken_servers_are_named() {
    look(SERVER);
}

#[test]
fn a_service_that_is_down_is_the_only_thing_that_is_named() {
    look(DOWN);
}

#[test]
fn what_is_only_known_among_containers_is_not_called_down() {
    let mut scene = Scene::good();
    scene.targets = false;
    scene.resolve = "webserver:";
    scene.more = &["--app-target", "webserver:80"];
    let report = scene.look();
    assert!(report.found(true).is_empty(), "{:#}", report.json);
    let skipped = report.json["not_looked_at"].to_string();
    assert!(skipped.contains("webserver:80") && skipped.contains("docker compose exec"), "{skipped}");
}

#[test]
fn nobody_is_logged_in_when_it_has_to_be_quick() {
    let mut scene = Scene::good();
    scene.more = &["--quick"];
    // Its cookie would be an error.
    scene.server.cookie = String::new();
    let report = scene.look();
    assert!(report.found(true).is_empty(), "{:#}", report.json);
    assert!(report.json["not_looked_at"].to_string().contains("login cookie"), "{:#}", report.json);
}

#[test]
fn an_authority_file_that_is_not_there_is_a_wrong_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = clearway(folder.path());
    let output = command.args(["doctor", "--url", "https://app.clearml.test", "--ca", "typo.pem"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("typo.pem"), "{said}");
}

#[test]
fn compose_files_are_named_with_their_lines() {
    look(COMPOSE);
    let mut scene = Scene::good();
    scene.compose = "services:\n  apiserver:\n    image: clearml/server:latest\n    ports:\n      - \"8008:8008\"\n";
    let report = scene.look();
    let place = &report.finding("compose-plain-port")["place"];
    assert!(place["file"].as_str().unwrap().ends_with("compose.yml"));
    assert_eq!((place["line"].as_u64(), place["column"].as_u64()), (Some(5), Some(9)));
}

#[test]
fn a_setting_of_clearml_s_own_is_named_with_its_line() {
    let mut scene = Scene::good();
    (COOKIES[3].2)(&mut scene);
    let report = scene.look();
    let finding = report.finding("cookie-conf");
    assert_eq!((finding["place"]["line"].as_u64(), finding["place"]["column"].as_u64()), (Some(2), Some(21)));
    assert!(finding["change"].as_str().unwrap().contains("domain: \".clearml.test\""), "{finding}");
}
