//! Doctor on the real proxy, in front of an imitated server or its own stand-ins.

use super::certificates::{Kind, Leaf, leaf, root};
use super::imitation::{Server, serve};
use super::scene::{Report, clearway, doctor};
use super::terminal::DEADLINE;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use tempfile::TempDir;

/// A running proxy; ends with its value.
pub(crate) struct Proxy {
    child: Child,
    folder: TempDir,
    https: u16,
    http: Option<u16>,
    /// What it has printed so far.
    said: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Proxy {
    /// Runs `clearway run` in `folder` until it is ready.
    pub(crate) fn start(folder: TempDir, arguments: &[&str]) -> Self {
        let mut command = clearway(folder.path());
        command.arg("run").args(arguments).env("XDG_RUNTIME_DIR", folder.path());
        command.env("CLEARML__PROXY__LOG__FORMAT", "json").env("CLEARML__PROXY__WORKERS", "1");
        command.env("CLEARML__PROXY__ACCESS_LOG__ENABLED", "false");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::<(Mutex<Vec<String>>, Condvar)>::default();
        let (out, into) = (child.stdout.take().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).for_each(|line| {
                into.0.lock().unwrap().push(line);
                into.1.notify_all();
            });
        });
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut https, mut http, mut seen) = (None, None, Vec::new());
        for line in lines.by_ref() {
            let event = serde_json::from_str::<Value>(&line).unwrap_or_default();
            let port = || event["address"].as_str()?.parse::<SocketAddr>().ok().map(|addr| addr.port());
            match (event["message"].as_str(), event["listener"].as_str()) {
                (Some("listening"), Some("https")) => https = port(),
                (Some("listening"), Some("http")) => http = port(),
                (Some(message), _) if message.starts_with("ready") => break,
                _ => {}
            }
            seen.push(line);
        }
        // It must not be stopped by a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let https = https.unwrap_or_else(|| panic!("no proxy:\n{}", seen.join("\n")));
        Self { child, folder, https, http, said }
    }

    /// In front of targets, by this configuration.
    fn of(conf: &str, certificate: &Leaf, targets: [SocketAddr; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [chain, key] = ["site.pem", "site.key"].map(|name| folder.path().join(name));
        std::fs::write(&chain, &certificate.pem).unwrap();
        std::fs::write(&key, &certificate.key).unwrap();
        super::scene::private(&key);
        let [app, api, files] = targets;
        let text = format!(
            "certificates: [ {{ chain: \"site.pem\", key: \"site.key\" }} ]\nlisteners {{ https {{ bind: \
             [\"127.0.0.1:0\"] }}, http {{ bind: [\"127.0.0.1:0\"] }} }}\nprotection.default_keys.check: false\n\
             services {{ app {{ targets: [\"{app}\"] }}, api {{ targets: [\"{api}\"] }}, files {{ targets: [\"{files}\"] }} }}\n\
             {conf}\n"
        );
        std::fs::write(folder.path().join("proxy.conf"), text).unwrap();
        std::fs::write(folder.path().join("root.pem"), root()).unwrap();
        Self::start(folder, &["--config", "proxy.conf"])
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What doctor says of it, told its ports as they turned out.
    pub(crate) fn look(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Report {
        let mut command = doctor(self.folder());
        command.args(arguments).envs(environment.iter().copied());
        command.args(["--resolve", "*:127.0.0.1", "--https-port", &self.https.to_string()]);
        match self.http {
            Some(port) => command.args(["--http-port", &port.to_string()]),
            None => command.arg("--no-http"),
        };
        command.env("SSL_CERT_FILE", "/nowhere");
        Report::of(&mut command)
    }

    fn look_by_file(&self, more: &[&str]) -> Report {
        let environment = [("CLEARML_API_ACCESS_KEY", "key"), ("CLEARML_API_SECRET_KEY", "secret")];
        self.look(&[&["--config", "proxy.conf", "--ca", "root.pem"], more].concat(), &environment)
    }

    /// The addresses of the demo's stand-ins, as flags.
    pub(crate) fn stand_ins(&self) -> Vec<String> {
        let flags = [("--app-target", "web UI"), ("--api-target", "API"), ("--files-target", "files")];
        let pair = |(flag, what): (&str, &str)| {
            let line = self.printed(&format!("  {what} "), '\n');
            [flag.to_owned(), line.rsplit(' ').next().unwrap().to_owned()]
        };
        flags.into_iter().flat_map(pair).collect()
    }

    /// The login that the demo's stand-in of the API takes, as variables.
    pub(crate) fn login(&self) -> [(&'static str, String); 2] {
        [("CLEARML_API_ACCESS_KEY", "access_key: \""), ("CLEARML_API_SECRET_KEY", "secret_key: \"")]
            .map(|(name, mark)| (name, self.printed(mark, '"')))
    }

    /// What stands behind `mark` in the first line that has it; waits for that line.
    fn printed(&self, mark: &str, end: char) -> String {
        let (said, more) = &*self.said;
        let lacks = |said: &mut Vec<String>| !said.iter().any(|line| line.contains(mark));
        let (said, _) = more.wait_timeout_while(said.lock().unwrap(), DEADLINE, lacks).unwrap();
        let line = said.iter().find(|line| line.contains(mark)).unwrap_or_else(|| panic!("no {mark} in {said:?}"));
        let rest = line.split_once(mark).unwrap().1.trim();
        rest.split(end).next().unwrap().trim().to_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The three services of one server, as targets.
fn targets(server: &Server) -> [SocketAddr; 3] {
    let (app, api, files) = (server.clone(), server.clone(), server.clone());
    [
        serve("127.0.0.1:0", None, 0, move |asked| Some(app.app(asked))),
        serve("127.0.0.1:0", None, 0, move |asked| Some(api.api(asked))),
        serve("127.0.0.1:0", None, 0, move |asked| Some(files.files(asked))),
    ]
}

/// A server with ClearML's own default: the cookie is for its host alone.
fn plain_server() -> Server {
    Server { cookie: String::new(), ..Server::good("clearml.test") }
}

const DOMAIN: &str = "domain: \"clearml.test\"";
const BELOW: &[&str] = &["*.clearml.test"];

#[test]
fn every_layout_of_the_proxy_is_found_in_order() {
    let mut open = plain_server();
    open.files_auth = false;
    for (what, conf, names, server) in [
        ("a domain", DOMAIN, BELOW, plain_server()),
        (
            "free names",
            "hosts { app: \"ml.clearml.test\", api: \"ml-api.clearml.test\", files: \"ml-files.clearml.test\" }",
            BELOW,
            plain_server(),
        ),
        ("one host with paths", "single_domain: \"clearml.test\"", &["clearml.test"], plain_server()),
        (
            "names with no parent in common",
            "hosts { app: \"ml.a.test\", api: \"ml.b.test\", files: \"ml.c.test\" }",
            &["ml.a.test", "ml.b.test", "ml.c.test"],
            plain_server(),
        ),
        (
            "a file server without logins behind the gate",
            "domain: \"clearml.test\"\nprotection.token_gate.enabled: true",
            BELOW,
            open,
        ),
        ("no http", "domain: \"clearml.test\"\nlisteners.http.enabled: false", BELOW, plain_server()),
        (
            "a cookie that the server makes good",
            "domain: \"clearml.test\"\nanswers.cookies: false",
            BELOW,
            Server::good("clearml.test"),
        ),
    ] {
        let proxy = Proxy::of(conf, &leaf(Kind::Good, names), targets(&server));
        let report = proxy.look_by_file(&[]);
        assert!(report.found(false).is_empty(), "{what}: {:#}", report.json);
        assert_eq!(report.code, 0, "{what}");
    }
}

#[test]
fn the_compose_set_up_of_this_repository_is_in_order() {
    let proxy = Proxy::of(DOMAIN, &leaf(Kind::Good, BELOW), targets(&Server::good("clearml.test")));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [compose, conf] = ["docker-compose.yml", "config/clearml/apiserver.conf"].map(|file| root.join(file));
    let copied = proxy.folder().join("apiserver.conf");
    std::fs::copy(conf, &copied).unwrap();
    super::scene::private(&copied);
    let environment = [
        ("CLEARML_DOMAIN", "clearml.test"),
        (
            "CLEARML_ADMIN_PASSWORD_HASH",
            "JDJiJDEwJFEzSGFNS0dyUWs2amU0bXBrT1VueWVCVGZDbGowSWpZaWl1SExNVUR0Z3JMTHVhMDFNWS95",
        ),
    ];
    let arguments = ["--config", "proxy.conf", "--ca", "root.pem", "--apiserver-conf", "apiserver.conf", "--compose"];
    let report = proxy.look(&[&arguments[..], &[compose.to_str().unwrap()]].concat(), &environment);
    assert!(report.found(false).is_empty(), "{:#}", report.json);
}

#[test]
fn mistakes_in_the_proxy_s_own_configuration_are_named() {
    let server = plain_server();
    let [app, api, files] = targets(&server);
    let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
    for (what, conf, order, expected) in [
        ("API and files swapped", DOMAIN, [app, files, api], &["target-wrong", "wrong-service", "app-paths"][..]),
        (
            "a limit on uploads",
            "domain: \"clearml.test\"\nservices.files.max_body: \"1MiB\"",
            [app, api, files],
            &["body-limit-files"],
        ),
        (
            "cookies left as they are",
            "domain: \"clearml.test\"\nanswers.cookies: false",
            [app, api, files],
            &["cookie-host-only"],
        ),
        (
            "the file server is down",
            "domain: \"clearml.test\"\ntimeouts.hold: \"1s\"",
            [app, api, nobody],
            &["target-down", "service-unavailable"],
        ),
    ] {
        let proxy = Proxy::of(conf, &leaf(Kind::Good, BELOW), order);
        let report = proxy.look_by_file(&[]);
        assert_eq!(report.found(false), expected.iter().copied().collect(), "{what}: {:#}", report.json);
        assert_eq!(report.code, 1, "{what}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_shown_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proxy.conf"), "domain: \"a.test\"\nworkerz: 2\n").unwrap();
    let report = Report::of(doctor(folder.path()).args(["--config", "proxy.conf"]));
    let finding = report.finding("configuration");
    assert_eq!((finding["place"]["line"].as_u64(), report.code), (Some(2), 1));
    assert!(finding["change"].as_str().unwrap().contains("workers"), "{finding}");
}

#[test]
fn a_test_file_goes_through_the_demo_and_is_deleted() {
    let proxy = Proxy::start(tempfile::tempdir().unwrap(), &["--demo", "--https-port", "0", "--http-port", "0"]);
    let stored = proxy.printed("uploads go to ", ' ');
    let (flags, login) = (proxy.stand_ins(), proxy.login());
    let flags = flags.iter().map(String::as_str).collect::<Vec<_>>();
    let login = login.each_ref().map(|(name, value)| (*name, value.as_str()));
    let report = proxy.look(&[&flags[..], &["--upload"]].concat(), &login);
    // The demo has no passwords, and doctor is right to say so.
    assert_eq!(report.found(false), ["fixed-users-off"].into(), "{:#}", report.json);
    assert!(!report.json["not_looked_at"].to_string().contains("test file"), "{:#}", report.json);
    let left = files_below(Path::new(&stored));
    assert!(left.is_empty(), "{left:?}");

    let report = proxy.look(&[&flags[..], &["--upload", "1"]].concat(), &[]);
    assert!(report.json["not_looked_at"].to_string().contains("wants a login"), "{:#}", report.json);
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}
