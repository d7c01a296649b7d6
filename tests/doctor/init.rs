//! `clearway init`: what it writes is valid, nothing is changed unasked, and doctor finds it in order.

use super::proxy::Proxy;
use super::scene::{Report, clearway, doctor};
use std::fs;
use std::path::Path;

/// Exit code, and everything that was said.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = clearway(folder).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), text)
}

fn init(folder: &Path, arguments: &[&str]) -> (i32, String) {
    run(folder, &[&["init"], arguments].concat())
}

fn written(folder: &Path) -> Vec<String> {
    let mut names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = names.by_ref().filter(|name| name != "no-configuration").collect::<Vec<_>>();
    names.sort();
    names
}

const FILES: [&str; 3] = ["clearml-clients.conf", "docker-compose.override.yml", "proxy.conf"];

const CLIENTS: &str = "clearml-clients.conf";

const LAYOUTS: [&[&str]; 3] = [
    &["--domain", "clearml.test"],
    &["--hosts", "ml.x.test", "ml-api.x.test", "ml-files.x.test"],
    &["--single-domain", "clearml.test"],
];

#[test]
fn every_layout_is_valid_as_it_is_written() {
    for layout in LAYOUTS {
        for more in [
            &["--server", "host"][..],
            &["--server", "compose"],
            &["--server", "clearml.internal"],
            &["--acme", "ops@x.test"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (code, text) = init(folder.path(), &[layout, more].concat());
            assert_eq!(code, 0, "{layout:?} {more:?}: {text}");
            assert_eq!(written(folder.path()), FILES);
            // The folder of a container's certificates is none of this machine.
            let (code, text) = run(folder.path(), &["check", "--skip-certificates", "--config", "proxy.conf"]);
            assert!(code == 0 && text.contains("configuration is valid\n"), "{layout:?} {more:?}: {text}");
            let clients = fs::read_to_string(folder.path().join(CLIENTS)).unwrap();
            assert!(clients.contains("api_server: \"https://"), "{clients}");
            // Doctor reads the override as compose does, and finds no port that is open to everybody.
            let arguments =
                ["--config", "proxy.conf", "--compose", "docker-compose.override.yml", "--quick", "--resolve", "*:"];
            let report = Report::of(doctor(folder.path()).args(arguments));
            let compose = report.found(true).into_iter().filter(|code| code.starts_with("compose")).count();
            assert!(
                compose == 0 && !report.json["not_looked_at"].to_string().contains("compose file"),
                "{:#}",
                report.json
            );
        }
    }
}

#[test]
fn what_it_writes_runs_and_doctor_finds_it_in_order() {
    for layout in LAYOUTS {
        let folder = tempfile::tempdir().unwrap();
        let (code, text) = init(folder.path(), layout);
        assert_eq!(code, 0, "{text}");
        let arguments = ["--config", "proxy.conf", "--demo", "--https-port", "0", "--http-port", "0"];
        let proxy = Proxy::start(folder, &arguments);
        let (flags, login) = (proxy.stand_ins(), proxy.login());
        let flags = flags.iter().map(String::as_str).collect::<Vec<_>>();
        let login = login.each_ref().map(|(name, value)| (*name, value.as_str()));
        let report = proxy.look(&[&["--config", "proxy.conf"], &flags[..]].concat(), &login);
        // The stand-ins have no passwords, which is said of them.
        assert_eq!(report.found(false), ["fixed-users-off"].into(), "{layout:?}: {:#}", report.json);
    }
}

#[test]
fn nothing_is_changed_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (code, text) = init(folder.path(), &["--domain", "a.test", "--dry-run"]);
    assert!(code == 0 && text.contains("+domain: \"a.test\"") && text.contains("--- /dev/null"), "{text}");
    assert!(written(folder.path()).is_empty());

    assert_eq!(init(folder.path(), &["--domain", "a.test"]).0, 0);
    let before = FILES.map(at);
    let (code, text) = init(folder.path(), &["--domain", "a.test"]);
    assert!(code == 0 && text.matches("unchanged: ").count() == 3, "{text}");

    let (code, text) = init(folder.path(), &["--domain", "b.test"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("-domain: \"a.test\"\n+domain: \"b.test\"") && text.contains("--yes"), "{text}");
    assert_eq!(FILES.map(at), before);

    let (code, text) = init(folder.path(), &["--domain", "b.test", "--yes"]);
    assert_eq!(code, 0, "{text}");
    assert!(at("proxy.conf").contains("b.test") && !at(CLIENTS).contains("a.test"));

    assert_eq!(init(folder.path(), &[]).0, 2, "nobody is there to be asked");
    assert_eq!(init(folder.path(), &["--domain", "a..b"]).0, 2);
}

#[test]
fn clearml_s_own_file_changes_only_where_it_must() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("apiserver.conf");
    for (before, flags, changes) in [
        ("auth { cookies { domain: \".clearml.test\" } }\n", &[][..], false),
        ("auth { fixed_users { enabled: true } }\n", &[], false),
        ("auth { cookies { domain: \".old.test\" } }\n", &[], true),
        ("auth { fixed_users { enabled: true } }", &["--server-cookies"], true),
    ] {
        fs::write(&file, before).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let (code, text) = init(folder.path(), &[&["--domain", "clearml.test", "--yes"], flags].concat());
        assert_eq!(code, 0, "{text}");
        let after = fs::read_to_string(&file).unwrap();
        assert_eq!(after != before, changes, "{before}: {after}");
        assert!(after.starts_with(before), "what stood there stays: {after}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        if changes {
            assert!(after.contains("    domain: \".clearml.test\"\n    max_age: 99999999999"), "{after}");
        }
    }
    fs::write(&file, "{\n  auth { cookies { domain: \".old.test\" } }\n}\n").unwrap();
    assert_eq!(init(folder.path(), &["--domain", "clearml.test", "--yes"]).0, 0);
    let after = fs::read_to_string(&file).unwrap();
    assert!(after.ends_with("  }\n}\n}\n"), "nothing stands behind the last brace: {after}");
    assert!(after.contains("\".clearml.test\""), "{after}");

    let unclear = "{ auth { cookies { domain: \".old.test\" } } } # }";
    fs::write(&file, unclear).unwrap();
    let (code, text) = init(folder.path(), &["--domain", "clearml.test", "--yes"]);
    assert!(code == 1 && text.contains("by hand") && text.contains("domain: \".clearml.test\""), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), unclear);

    let fresh = tempfile::tempdir().unwrap();
    assert_eq!(init(fresh.path(), &["--domain", "clearml.test", "--server-cookies"]).0, 0);
    assert!(fs::read_to_string(fresh.path().join("proxy.conf")).unwrap().contains("answers.cookies: false"));
    assert!(fresh.path().join("apiserver.conf").exists());
}

#[test]
fn somebody_s_own_clearml_conf_stays_and_secrets_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let own = "api { credentials { \"access_key\" = \"AK\", \"secret_key\" = \"SK\" } }\n";
    fs::write(folder.path().join("clearml.conf"), own).unwrap();
    let users = "auth { cookies { domain: \".old.test\" }, fixed_users { users: [ { username: a, password: \"JDJiHASH\" } ] } }\n";
    fs::write(folder.path().join("apiserver.conf"), users).unwrap();
    let (code, text) = init(folder.path(), &["--domain", "clearml.test", "--yes"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(fs::read_to_string(folder.path().join("clearml.conf")).unwrap(), own);
    assert!(text.contains("password: (hidden)") && !text.contains("HASH"), "{text}");
    assert!(fs::read_to_string(folder.path().join("apiserver.conf")).unwrap().contains("JDJiHASH"));
}

#[test]
fn keys_are_kept_where_the_proxy_may_write_and_files_are_mounted_only_where_they_are() {
    let made = |arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let (code, said) = init(folder.path(), &[&["--domain", "clearml.test"], arguments].concat());
        assert_eq!(code, 0, "{said}");
        let at = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        (at("proxy.conf"), at("docker-compose.override.yml"), said, folder)
    };
    for arguments in [&["--server", "host"][..], &["--server", "clearml.internal"], &["--acme", "ops@x.test"]] {
        let (conf, compose, said, folder) = made(arguments);
        assert!(!conf.contains("\ncertificate_folder"), "the unit may not write beside its configuration: {conf}");
        assert!(said.contains("put ") && said.contains("beside ClearML's docker-compose.yml"), "{said}");
        let local = !arguments.contains(&"--acme");
        assert_eq!(compose.contains("create_host_path: false"), local, "{compose}");
        let elsewhere = arguments.contains(&"clearml.internal");
        let here = folder.path().canonicalize().unwrap().join("ca.pem").display().to_string();
        assert_eq!(compose.contains("source: \"./ca.pem\""), elsewhere, "{compose}");
        assert_eq!(compose.contains(&format!("source: \"{here}\"")), local && !elsewhere, "{compose}");
    }
    let (conf, compose, said, _) = made(&["--server", "compose"]);
    assert!(conf.contains("certificate_folder: \"/var/lib/clearway\""), "{conf}");
    assert_eq!(compose.matches("create_host_path: false").count(), 2, "{compose}");
    assert!(compose.contains("networks: [backend, frontend]"), "{compose}");
    assert!(said.contains("docker compose exec clearway clearway doctor"), "{said}");
}
