//! `clearway explain URL`, through the real binary: what it says is what the running proxy does.

use super::scene::clearway;
use serde_json::Value;
use std::path::Path;

const CONF: &str = "domain: \"clearml.test\"\nsingle_domain: \"one.test\"\nlisteners.legacy { api: [8008] }\n\
                    services.files.max_body: \"1GiB\"\nanswers.hsts: \"0s\"\n";

fn explain(folder: &Path, arguments: &[&str]) -> (i32, String) {
    std::fs::write(folder.join("proxy.conf"), CONF).unwrap();
    let mut command = clearway(folder);
    let output = command.arg("explain").args(arguments).args(["--config", "proxy.conf"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
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
        let (got, text) = explain(folder.path(), arguments);
        assert_eq!(got, code, "{arguments:?}: {text}");
        for expected in expected {
            assert!(text.contains(expected), "{arguments:?}: no {expected:?} in\n{text}");
        }
    }
    let (_, text) = explain(folder.path(), &["https://api.clearml.test/auth.login", "--json"]);
    let told = serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!((&told["service"], &told["end"]["kind"]), (&"api".into(), &"forwarded".into()));
    assert!(told["added"].to_string().contains("Domain=.clearml.test"), "{told}");
}
