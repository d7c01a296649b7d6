//! Good set-ups behind other proxies than Clearway: nothing is wrong, and nothing is said.

use super::imitation::Told;
use super::scene::{Scene, Service};

const FREE: [&str; 3] = ["ml.clearml.test", "ml-api.clearml.test", "ml-files.clearml.test"];

/// What it is, and how the set-up differs.
type Row = (&'static str, fn(&mut Scene));

#[test]
fn good_set_ups_raise_no_alarm() {
    let rows: &[Row] = &[
        ("three names, the targets known", |_| {}),
        ("three names, seen from outside only", |s| s.targets = false),
        ("nobody signs in", |s| s.signs_in = false),
        ("quick", |s| s.more = &["--quick"]),
        ("a certificate for all names below", |s| s.certificate.1 = &["*.clearml.test"]),
        ("other names, and a web UI that is told them", |s| {
            s.names = FREE;
            s.certificate.1 = &FREE;
            s.proxy = |asked, _, told| {
                let port = asked.field("host").unwrap().rsplit(':').next().unwrap().to_owned();
                let file = r#"{"apiBaseUrl":"https://ml-api.clearml.test:PORT","fileBaseUrl":"https://ml-files.clearml.test:PORT",
                               "displayedServerUrls":{"apiServer":"https://ml-api.clearml.test:PORT",
                                                      "filesServer":"https://ml-files.clearml.test:PORT"}}"#;
                Some(match asked.path.as_str() {
                    "/configuration.json" => Told { body: file.replace("PORT", &port), ..told },
                    _ => told,
                })
            };
        }),
        ("a compose file that publishes to the host alone", |s| {
            s.compose = "services:\n  apiserver:\n    image: clearml/server\n    ports: [\"127.0.0.1:8008:8008\"]\n    \
                         environment:\n      CLEARML_FILES_HOST: @FILES@\n  clearway:\n    image: clearway\n    ports: [\"443:443\"]\n";
        }),
        ("a server's configuration with hashed passwords", |s| {
            s.apiserver_conf = "auth { cookies { secure: true, domain: \".clearml.test\" }\n fixed_users { enabled: true, \
                                pass_hashed: true, users: [ { username: a, name: A, password: \
                                \"JDJiJDEwJFEzSGFNS0dyUWs2amU0bXBrT1VueWVCVGZDbGowSWpZaWl1SExNVUR0Z3JMTHVhMDFNWS95\" } ] } }";
        }),
        ("a file server with a limit that nobody reaches", |s| {
            s.proxy = |asked, service, told| match (service, asked.length) {
                (Service::Files, 1_099_511_627_777..) => Some(Told::new(413, "")),
                _ => Some(told),
            };
        }),
        ("http refuses everything but pages", |s| {
            s.plain = |asked| match (asked.method.as_str(), asked.path.as_str()) {
                ("GET", "/") => Told::new(301, "").field(&format!("Location: https://{}/", asked.host)),
                _ => Told::new(403, "use https"),
            };
        }),
    ];
    for (what, change) in rows {
        let mut scene = Scene::good();
        change(&mut scene);
        let report = scene.look();
        assert!(report.found(true).is_empty(), "{what}: {:#}", report.json);
        assert_eq!(report.code, 0, "{what}");
    }
}
