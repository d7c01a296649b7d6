//! The command line, through the real binary: what is printed where, and how it ends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failing step should fail the test")]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn data(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(name).display().to_string()
}

fn clearway(args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearway"));
    command.args(args).env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
    command
}

/// Exit code, standard output, standard error.
fn run(args: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = clearway(args, environment).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn check_json(environment: &[(&str, &str)], more: &[&str]) -> (i32, Value) {
    let args = [&["check", "--json"], more].concat();
    let (code, stdout, stderr) = run(&args, environment);
    assert_eq!(stderr, "");
    (code, serde_json::from_str(&stdout).unwrap())
}

#[test]
fn a_good_file_is_valid() {
    let file = data("base/proxy.conf");
    let (code, stdout, stderr) = run(&["check", "--skip-certificates", "--config", &file], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(
        stdout,
        format!(
            "files:       {file}\nserves:      https://app.base.example.com (app), https://api.base.example.com (api), \
             https://files.base.example.com (files)\nlistens:     https [::]:443, http [::]:80\n\
             configuration is valid\n"
        )
    );
}

#[test]
fn the_files_of_this_repository_are_valid() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let examples = std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let files = examples.chain([root.join("clearml/proxy.conf"), root.join("proxy.conf")]).collect::<Vec<_>>();
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let (code, value) = check_json(&[], &["--skip-certificates", "--config", &file.display().to_string()]);
        assert_eq!((code, &value["problems"]), (0, &json!([])), "{}", file.display());
    }
}

#[test]
fn no_configuration_is_local() {
    let (code, stdout, _) = run(&["check"], &[("CLEARML_CONFIG_DIR", "/")]);
    assert_eq!(code, 0);
    assert!(
        stdout.starts_with(
            "files:       none; no proxy.conf in /\nserves:      https://app.clearml.localhost:8443 (app), "
        ) && stdout.contains("https://localhost:8443/files (files) (local: "),
        "{stdout}"
    );
}

#[test]
fn several_directories_environment_and_flags() {
    let folders = format!("{}:{}:{}", data("base"), data("missing"), data("site"));
    let environment = [
        ("CLEARML_CONFIG_DIR", folders.as_str()),
        ("CLEARML__PROXY__LISTENERS__HTTP__ENABLED", "False"),
        ("TRAINS__PROXY__WORKERS", "2"),
        ("CLEARML__APISERVER__AUTH__COOKIES__SECURE", "true"),
    ];
    let (code, stdout, stderr) = run(&["check", "--skip-certificates", "--https-port", "9443"], &environment);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        stdout,
        format!(
            "files:       {}/proxy.conf, {}/proxy.conf\n\
             environment: TRAINS__PROXY__WORKERS, CLEARML__PROXY__LISTENERS__HTTP__ENABLED\n\
             flags:       --https-port\n\
             serves:      https://app.one.example.com:9443 (app), https://api.one.example.com:9443 (api), \
             https://files.one.example.com:9443 (files)\n\
             serves:      https://app.two.example.com:9443 (app), https://api.two.example.com:9443 (api), \
             https://files.two.example.com:9443 (files)\n\
             listens:     https [::]:9443\nconfiguration is valid, with 1 warning\n",
            data("base"),
            data("site")
        )
    );
    assert!(stderr.contains("warning: the folder") && stderr.contains("CLEARML_CONFIG_DIR"), "{stderr}");

    let (code, value) = check_json(&environment, &["--skip-certificates"]);
    assert_eq!((code, &value["valid"], &value["local"]), (0, &json!(true), &json!(false)));
    assert_eq!(value["files"].as_array().unwrap().len(), 2);
    assert_eq!(value["variables"][0], "TRAINS__PROXY__WORKERS");
    assert_eq!(value["problems"][0]["severity"], "warning");
    assert_eq!(value["problems"][0]["origin"], json!({ "variable": "CLEARML_CONFIG_DIR" }));
}

#[test]
fn every_mistake_is_shown_with_its_place() {
    let file = data("broken/proxy.conf");
    let (code, stdout, stderr) = run(&["check", "--config", &file], &[("CLEARML__PROXY__POOL__IDLE_AGE", "30")]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    let shown = stderr.replace(&file, "proxy.conf");
    for expected in [
        "\
error: domian: unknown key
 --> proxy.conf:1:1
  |
1 | domian: \"clearml.example.com\"
  | ^^^^^^
  |
  = help: did you mean `domain`?
",
        "error: workers: expected a whole number, found \"many\"\n --> proxy.conf:2:10\n",
        " --> proxy.conf:4:17\n",
        "error: listeners.https.enabeld: unknown key\n --> proxy.conf:4:37\n",
        "= help: did you mean `listeners.https.enabled`?\n",
        "error: timeouts.head: the duration \"30\" has no unit\n --> proxy.conf:7:9\n",
        "error: timeouts.hold: 12s is too long; it must be below 10s\n --> proxy.conf:8:9\n",
        "error: services.api.targets: the list is empty; a service needs at least one target\n",
        "error: pool.idle_age: the duration \"30\" has no unit\n",
        "= note: set by the environment variable CLEARML__PROXY__POOL__IDLE_AGE\n",
        "configuration is not valid: 8 errors\n",
    ] {
        assert!(shown.contains(expected), "missing:\n{expected}\nin:\n{shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colour where standard error is no terminal");

    let (code, value) = check_json(&[], &["--config", &file]);
    assert_eq!((code, &value["valid"]), (1, &json!(false)));
    let unknown = &value["problems"][0];
    assert_eq!((&unknown["key"], &unknown["hint"]), (&json!("domian"), &json!("did you mean `domain`?")));
    assert_eq!(unknown["origin"], json!({ "file": file, "line": 1, "column": 1 }));
}

#[test]
fn a_syntax_error_has_a_place_and_a_remedy() {
    let file = data("syntax/proxy.conf");
    let (code, _, stderr) = run(&["check", "--config", &file], &[]);
    assert_eq!(code, 1);
    assert!(stderr.contains("error: quote this URL") && stderr.contains(":3:19"), "{stderr}");
    assert!(stderr.contains("`//` begins a comment"), "{stderr}");
}

#[test]
fn check_opens_the_certificates_that_run_would() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let conf = path("proxy.conf").display().to_string();
    let checked = |domain: &str, key: &str| {
        let text = format!("domain: \"{domain}\"\ncertificates: [ {{ chain: \"site.pem\", key: \"{key}\" }} ]\n");
        std::fs::write(path("proxy.conf"), text).unwrap();
        check_json(&[], &["--config", &conf])
    };
    let issue = || rcgen::generate_simple_self_signed(["app.a.test", "api.a.test", "files.a.test"].map(String::from));
    let (site, other) = (issue().unwrap(), issue().unwrap());
    for (name, text) in [
        ("site.pem", site.cert.pem()),
        ("site.key", site.signing_key.serialize_pem()),
        ("other.key", other.signing_key.serialize_pem()),
    ] {
        std::fs::write(path(name), text).unwrap();
    }
    for (key, message) in [("missing.key", "No such file"), ("other.key", "does not belong"), ("site.pem", "no PEM")] {
        let (code, value) = checked("a.test", key);
        let problem = &value["problems"][0];
        assert_eq!((code, &value["valid"], &problem["severity"]), (1, &json!(false), &json!("error")), "{key}");
        assert!(problem["message"].as_str().unwrap().contains(message), "{problem}");
        assert!(problem["hint"].is_string() && problem["origin"]["file"].as_str().unwrap().ends_with(key), "{problem}");
        let (code, _, stderr) = run(&["check", "--skip-certificates", "--config", &conf], &[]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        // The start says the same.
        let (code, _, stderr) = run(&["run", "--config", &conf, "--https-port", "0", "--no-http"], &[]);
        assert!(code == 1 && stderr.contains(message), "{key}: {stderr}");
    }
    let messages =
        |value: &Value| value["problems"].as_array().unwrap().iter().map(|p| p["message"].to_string()).collect();
    let (code, value) = checked("a.test", "site.key");
    let said: String = messages(&value);
    assert!(code == 0 && said.contains("self-signed") && !said.contains("no certificate covers"), "{said}");
    let (code, value) = checked("b.test", "site.key");
    let said: String = messages(&value);
    assert!(
        code == 0 && said.contains("no certificate covers this name; clients will refuse it: files.b.test"),
        "{said}"
    );
}

#[test]
fn any_domain_needs_a_certificate() {
    for command in ["check", "run"] {
        let (code, _, stderr) = run(&[command, "--domain", "*"], &[("CLEARML_CONFIG_DIR", "/")]);
        assert_eq!(code, 1, "{command}");
        assert!(stderr.contains("none is configured, and without a host name"), "{stderr}");
    }
}

#[test]
fn a_missing_file_is_no_empty_one() {
    for command in ["check", "run"] {
        let (code, stdout, stderr) = run(&[command, "--config", "/nowhere/proxy.conf"], &[]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{command}");
        assert!(stderr.contains("cannot read the file: No such file"), "{stderr}");
        assert!(stderr.contains("in /nowhere/proxy.conf"), "{stderr}");
    }
}

#[test]
fn run_refuses_what_check_refuses() {
    let (code, _, stderr) = run(&["run", "--domain", "app.x.example", "--no-http"], &[("CLEARML_CONFIG_DIR", "/")]);
    assert_eq!(code, 1);
    assert!(stderr.contains("write the parent name alone: \"x.example\""), "{stderr}");
    assert!(stderr.contains("set by the flag --domain"), "{stderr}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in [&["run", "--domian", "x"][..], &["serve"], &[], &["check", "--http", "80", "--no-http"]] {
        let (code, stdout, stderr) = run(args, &[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.contains("Usage: clearway"), "{args:?}: {stderr}");
    }
}

#[test]
fn help_and_version_are_data() {
    let (code, stdout, stderr) = run(&["--version"], &[]);
    assert_eq!((code, stdout, stderr), (0, format!("clearway {}\n", env!("CARGO_PKG_VERSION")), String::new()));
    let (code, stdout, _) = run(&["help", "run"], &[]);
    assert_eq!(code, 0);
    assert!(stdout.contains("--demo") && stdout.contains("--https-port"), "{stdout}");
    let (_, stdout, _) = run(&["--help"], &[]);
    assert!(!stdout.contains("reference"), "generated pages are for maintainers");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = clearway(&["reference", "configuration"], &[]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn client_config_prints_what_clients_need() {
    let none = [("CLEARML_CONFIG_DIR", "/")];
    let (code, stdout, _) = run(&["client-config", "--domain", "ml.example.com", "--ca", "/ca.pem"], &none);
    assert_eq!(code, 0);
    assert!(
        stdout.contains("api_server: \"https://api.ml.example.com\"") && stdout.contains("\"/ca.pem\""),
        "{stdout}"
    );

    let (code, stdout, stderr) = run(&["client-config", "--format", "env", "--name", "localhost"], &none);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("export CLEARML_FILES_HOST='https://localhost:8443/files'\n"), "{stdout}");
    assert!(stdout.contains("/certs/local/localhost/ca.pem'"), "{stdout}");
    assert!(stderr.contains("is not there yet"), "{stderr}");

    let (code, stdout, _) = run(&["client-config", "--format", "compose", "--domain", "ml.example.com"], &none);
    assert!(code == 0 && stdout.starts_with("services:\n"), "{stdout}");

    for (arguments, said) in [
        (["--domain", "*"], "no host name is configured"),
        (["--name", "other.example"], "there is clearml.localhost, localhost"),
    ] {
        let (code, stdout, stderr) = run(&[&["client-config"], arguments.as_slice()].concat(), &none);
        assert!(code == 1 && stdout.is_empty() && stderr.contains(said), "{stderr}");
    }
}

/// Whether a program is there.
fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status().unwrap().success()
}

#[test]
fn completions_are_scripts_that_their_shell_reads() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, arguments) in [("bash", &["-n"][..]), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let (code, script, stderr) = run(&["completions", shell], &[]);
        assert_eq!((code, stderr.as_str()), (0, ""));
        for word in ["maintenance", "hash-password", "--no-http"] {
            assert!(script.contains(word) || script.contains(&word[2..]), "{shell}: {word}");
        }
        let file = folder.path().join(shell);
        std::fs::write(&file, script).unwrap();
        if has(shell) {
            let read = Command::new(shell).args(arguments).arg(&file).output().unwrap();
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    // Bash is everywhere, so there the completions are also asked.
    let script = "source \"$0\"; COMP_WORDS=(clearway mai); COMP_CWORD=1; _clearway clearway mai clearway; echo \"${COMPREPLY[@]}\"";
    let asked = Command::new("bash").args(["--norc", "-c", script]).arg(folder.path().join("bash")).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&asked.stdout).trim(),
        "maintenance",
        "{}",
        String::from_utf8_lossy(&asked.stderr)
    );
}

#[test]
fn man_pages_are_written_for_every_command_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("man1");
    let (code, stdout, stderr) = run(&["man", &there.display().to_string()], &[]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    let pages = std::fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert!(pages.len() > 10, "{pages:?}");
    if has("groff") {
        for page in &pages {
            let read = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(page).output().unwrap();
            assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
        }
    }
    let (_, main, _) = run(&["man"], &[]);
    let kept = std::fs::read_to_string(there.join("clearway.1")).unwrap();
    assert_eq!(main.trim_end(), kept.trim_end());
    let (code, _, stderr) = run(&["man", "/proc/nowhere"], &[]);
    assert_eq!(code, 1, "{stderr}");
}

/// Every command that people are shown, by what `help` says.
fn commands() -> Vec<Vec<String>> {
    fn below(path: &[String], found: &mut Vec<Vec<String>>) {
        let args = path.iter().map(String::as_str).chain(["--help"]).collect::<Vec<_>>();
        let (code, help, _) = run(&args, &[]);
        assert_eq!(code, 0, "{args:?}");
        found.push(path.to_vec());
        let listed =
            help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
        // What a command says goes on in lines that begin further right.
        let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        for name in names.filter(|name| *name != "help").map(str::to_owned).collect::<Vec<_>>() {
            below(&[path, &[name]].concat(), found);
        }
    }
    let mut found = Vec::new();
    below(&[], &mut found);
    found
}

#[test]
fn a_wrong_command_line_ends_with_2_for_every_command_and_says_what_is_right() {
    let commands = commands();
    assert!(commands.len() > 10, "{commands:?}");
    for command in &commands {
        let args = command.iter().map(String::as_str).chain(["--no-such-flag"]).collect::<Vec<_>>();
        let (code, stdout, stderr) = run(&args, &[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}: {stderr}");
        assert!(stderr.contains("--help"), "{args:?}: {stderr}");
    }
}

#[test]
fn nothing_is_coloured_that_is_not_read_on_a_terminal() {
    for command in commands() {
        let args = command.iter().map(String::as_str).chain(["--help"]).collect::<Vec<_>>();
        let (_, stdout, stderr) = run(&args, &[("TERM", "xterm-256color")]);
        assert!(!(stdout + &stderr).contains('\x1b'), "{args:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.conf");
    std::fs::write(&file, "nonsense: 1\nlog.format: pretty\n").unwrap();
    let file = file.display().to_string();
    for args in [&["check", "--config", &file][..], &["run", "--config", &file]] {
        for (environment, coloured) in [
            (&[][..], false),
            (&[("CLICOLOR_FORCE", "1")], true),
            (&[("CLICOLOR_FORCE", "0")], false),
            (&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        ] {
            let (code, _, stderr) = run(args, environment);
            assert_eq!((code, stderr.contains('\x1b')), (1, coloured), "{args:?} {environment:?}: {stderr}");
        }
    }
    // On a terminal.
    if has("script") {
        for (environment, coloured) in [("", true), ("NO_COLOR=1", false), ("TERM=dumb", false), ("CLICOLOR=0", false)]
        {
            let line =
                format!("env -i TERM=xterm {environment} {} check --config {file}", env!("CARGO_BIN_EXE_clearway"));
            let shown =
                Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
            let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
            assert!(shown.contains("nonsense"), "{shown}");
            assert_eq!(shown.contains('\x1b'), coloured, "{environment}: {shown:?}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let page =
        std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/reference/commands.md")).unwrap();
    let nowhere = tempfile::tempdir().unwrap();
    let socket = nowhere.path().join("admin.sock").display().to_string();
    let missing = nowhere.path().join("proxy.conf").display().to_string();
    for (args, expected) in [
        (&["check", "--skip-certificates", "--config", &data("base/proxy.conf")][..], 0),
        (&["check", "--config", &missing], 1),
        (&["run", "--config", &missing], 1),
        (&["maintenance", "perhaps"], 2),
        (&["status", "--socket", &socket], 3),
        (&["reload", "--socket", &socket], 3),
        (&["drain", "api", "--socket", &socket], 3),
        (&["maintenance", "off", "--socket", &socket], 3),
        (&["upgrade", "--socket", &socket], 3),
    ] {
        let (code, _, stderr) = run(args, &[]);
        assert_eq!(code, expected, "{args:?}: {stderr}");
        assert!(page.contains(&format!("\n| {expected} | ")), "{expected} is in the table");
    }
}

#[test]
fn a_proxy_that_answers_otherwise_is_no_missing_proxy() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("admin.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answers = [
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ];
    let served = std::thread::spawn(move || {
        for answer in answers {
            let mut stream = listener.accept().unwrap().0;
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let socket = socket.to_str().unwrap();
    for said in ["500", "another version"] {
        let (code, _, stderr) = run(&["top", "--once", "--socket", socket], &[]);
        assert!(code == 1 && stderr.contains(said), "{code}: {stderr}");
    }
    served.join().unwrap();
    assert_eq!(run(&["top", "--once", "--socket", "/nonexistent/admin.sock"], &[]).0, 3);
}
