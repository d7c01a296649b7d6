//! `clearway explain URL`, through the real binary: what it says is what the running proxy does.

use super::scene::clearway;
use serde_json::Value;
use std::path::Path;

const CONF: &str = "domain: \"clearml.test\"\nsingle_domain: \"one.test\"\nlisteners.legacy { api: [8008] }\n\
                    services.files.max_body: \"1GiB\"\nanswers.hsts: \"0s\"\n\
                    protection.files { refuse_removal: true, removal_from: [\"10.0.0.0/8\"] }\n";

fn explain(folder: &Path, arguments: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("proxy.conf"), CONF).unwrap();
    let mut command = clearway(folder);
    let output = command.arg("explain").args(arguments).args(["--config", "proxy.conf"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

fn assert_explained(folder: &Path, arguments: &[&str], code: i32, expected: &[&str]) {
    let (got, text) = explain(folder, arguments);
    assert_eq!(got, code, "{arguments:?}: {text}");
    for expected in expected {
        assert!(text.contains(expected), "{arguments:?}: no {expected:?} in\n{text}");
    }
}

#[test]
fn a_url_is_explained_with_its_rule_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, expected) in [
        (
            &["https://app.clearml.test/api/debug.ping?a=1"][..],
            0,
            &[
                "listener:  https",
                "domain clearml.test: /api on the web UI's host",
                "gets:      /debug.ping?a=1",
                "targets:   127.0.0.1:8008",
                "end:       forwarded",
            ][..],
        ),
        (
            &["https://one.test/files/a"],
            0,
            &["single_domain one.test", "service:   files", "gets:      /a", "bodies up to"],
        ),
        (
            &["http://api.clearml.test/x", "--body"],
            0,
            &["listener:  http", "end:       308 to https://api.clearml.test/x"],
        ),
        (
            &["http://files.clearml.test/", "--method", "post", "--body"],
            1,
            &["end:       403", "api.files_server: \"https://files.clearml.test\""],
        ),
        (&["http://10.0.0.9:8008/debug.ping"], 0, &["legacy port of api, whatever the host", "action:    debug.ping"]),
        (&["https://nobody.test/"], 1, &["no configured name fits this host", "end:       404"]),
        (&["https://app.clearml.test:9443/"], 1, &["nobody listens for this on port 9443"]),
        (
            &[
                "https://app.clearml.test/v2.23/tasks.create",
                "--body",
                "--header",
                "X-ClearML-Worker: w",
                "--header",
                "Authorization: Bearer x",
            ],
            1,
            &["end:       400", "api.api_server"],
        ),
        (&["https://app.clearml.test/api//files/x"], 0, &["service:   api"]),
        (&["app.clearml.test"], 2, &["is no URL"]),
    ] {
        assert_explained(folder.path(), arguments, code, expected);
    }
    let (_, text) = explain(folder.path(), &["https://api.clearml.test/auth.login", "--json"]);
    let told = serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!((&told["service"], &told["end"]["kind"]), (&"api".into(), &"forwarded".into()));
    assert!(told["added"].to_string().contains("Domain=.clearml.test"), "{told}");
}

#[test]
fn the_rules_of_protection_are_told_with_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, expected) in [
        (
            &["https://api.clearml.test/tasks.delete", "--origin", "https://wiki.test"][..],
            1,
            &[
                "check:     protection.cross_site refuses with 403: its Origin is another page",
                "end:       403 This request comes from a page that may not make it: protection.cross_site",
            ][..],
        ),
        (
            &["https://api.clearml.test/tasks.delete", "--origin", "https://app.clearml.test"],
            0,
            &["check:     protection.cross_site passes: its Origin is the web UI or an allowed page"],
        ),
        (&["https://api.clearml.test/debug.ping"], 0, &["protection.cross_site passes: it carries no cookie"]),
        (
            &["https://api.clearml.test/auth.login", "--header", "Authorization: Basic am9objp4"],
            0,
            &["check:     protection.logins passes or answers 429: it counts as a login of \"john\": 10 failures"],
        ),
        (
            &["https://files.clearml.test/a", "--method", "delete"],
            0,
            &[
                "check:     protection.files.refuse_removal passes or answers 403: it removes files, which only 10.0.0.0/8",
                "check:     protection.token_gate is off: the file server alone decides",
            ],
        ),
        (&["https://files.clearml.test/a", "--method", "delete", "--client", "192.0.2.1"], 1, &["end:       403"]),
        (&["https://files.clearml.test/a", "--method", "delete", "--client", "10.1.2.3"], 0, &["is in removal_from"]),
        (&["https://app.clearml.test/", "--method", "trace"], 1, &["end:       405"]),
        (&["https://api.clearml.test/", "--client", "nowhere"], 2, &["invalid value 'nowhere'"]),
    ] {
        assert_explained(folder.path(), arguments, code, expected);
    }
}
