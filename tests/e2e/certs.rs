//! `clearway certs`: what there is, new ones, and trust that is really there afterwards.

use crate::support::*;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NAMES: [&str; 3] = [APP, API, FILES];

/// Runs the command in `folder` with the programs of this machine in reach: exit code, standard output, standard error.
fn clearway(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearway"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
    command.env("CLEARML_CONFIG_DIR", folder).env("HOME", folder).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = clearway(folder, &[arguments, &["--json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}")))
}

/// A folder with a configuration and the files that it names.
fn folder(conf: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("proxy.conf"), conf).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// A proxy that has made its local CA, with its folder.
fn local() -> Proxy {
    Run::to(&Origin::ok()).certificates(&[]).start()
}

#[test]
fn list_shows_every_certificate_and_what_is_wrong() {
    let pki = Pki::shared();
    let (site, gone) = (pki.issue(&[APP, API]), pki.issue_expired(&[FILES]));
    let conf = "domain: \"clearml.test\"\ncertificates: [ { chain: \"a.pem\", key: \"a.key\" }, { chain: \"b.pem\", key: \"b.key\" } ]\n";
    let files = [("a.pem", &*site.chain), ("a.key", &*site.key), ("b.pem", &*gone.chain), ("b.key", &*gone.key)];
    let folder = folder(conf, &files);
    let (code, view) = json(folder.path(), &["certs", "list"]);
    assert_eq!(code, 1, "{view}");
    assert_eq!(view["uncovered"], serde_json::json!([FILES]));
    let [a, b] = [&view["certificates"][0], &view["certificates"][1]];
    assert_eq!(
        (&a["covers"], &a["error"], &a["source"]),
        (&serde_json::json!([APP, API]), &Value::Null, &"files".into())
    );
    assert!(
        a["days_left"].as_i64().unwrap() > 100 && a["issuer"].as_str().unwrap().contains("Clearway test CA"),
        "{a}"
    );
    assert!(b["error"].as_str().unwrap().contains("expired on 2024-01-01"), "{b}");
    assert!(b["days_left"].as_i64().unwrap() < 0 && b["names"][0] == FILES, "{b}");
    let (code, table, _) = clearway(folder.path(), &["certs", "list"]);
    assert_eq!(code, 1);
    for part in [
        "FROM",
        "a.pem",
        "covers app.clearml.test, api.clearml.test",
        "expired",
        "hint: renew",
        "no certificate covers files.clearml.test",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn list_tells_what_is_signed_here_before_and_after_the_first_start() {
    let folder = folder("domain: \"clearml.test\"\n", &[]);
    let (code, view) = json(folder.path(), &["certs", "list"]);
    assert_eq!((code, &view["uncovered"]), (0, &serde_json::json!([])), "{view}");
    assert!(view["certificates"].as_array().unwrap().iter().all(|entry| entry["expected"] == true), "{view}");
    assert!(!folder.path().join("certs").exists(), "nothing is made by looking");
    let proxy = local();
    let (code, out, err) = proxy.command(&["certs", "list", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let view: Value = serde_json::from_str(&out).unwrap();
    let [leaf, authority] = [&view["certificates"][0], &view["certificates"][1]];
    assert_eq!((&leaf["source"], &authority["source"]), (&"local".into(), &"authority".into()));
    assert_eq!((&leaf["warnings"], &authority["warnings"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(leaf["covers"].as_array().unwrap().len(), 3);
}

#[test]
fn show_tells_all_of_one() {
    let site = Pki::shared().issue(&NAMES);
    let conf = "domain: \"clearml.test\"\ncertificates: [ { chain: \"a.pem\", key: \"a.key\" } ]\n";
    let folder = folder(conf, &[("a.pem", &site.chain), ("a.key", &site.key)]);
    for what in ["a.pem", API] {
        let (_, view) = json(folder.path(), &["certs", "show", what]);
        let [leaf, ca] = [&view["certificates"][0], &view["certificates"][1]];
        assert_eq!(leaf["names"], serde_json::json!(NAMES), "{what}: {view}");
        assert_eq!((&leaf["key"], &leaf["authority"]), (&"ECDSA, P-256".into(), &false.into()));
        assert_eq!((&ca["authority"], &ca["self_signed"]), (&true.into(), &true.into()));
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(folder.path().join("a.pem"));
        let openssl = openssl.output().unwrap().stdout;
        let expected = String::from_utf8(openssl).unwrap();
        assert_eq!(expected.trim().split('=').nth(1), leaf["fingerprint"].as_str(), "as OpenSSL has it");
    }
    let (_, text, _) = clearway(folder.path(), &["certs", "show", "a.pem"]);
    for part in ["[0] ", "SHA-256", "signed with  SHA-256 with ECDSA", "may issue    any name"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let (code, out, err) = clearway(folder.path(), &["certs", "show", "nobody.example"]);
    assert!(code == 1 && out.is_empty() && err.contains("nobody.example") && err.contains("certs list"), "{err}");
    let (code, _, err) = clearway(folder.path(), &["certs", "show", "a.key"]);
    assert!(code == 1 && err.contains("it has a private key") && !err.contains("PRIVATE KEY"), "{err}");
}

#[test]
fn issue_makes_a_certificate_that_clients_of_the_local_ca_take() {
    let made = local();
    let certs = |arguments: &[&str]| made.command(&[&["certs", "issue"], arguments].concat());
    let (code, out, err) = certs(&["minio.clearml.test", "*.x.clearml.test", "--out", "."]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let at = |name: &str| made.folder().join(name);
    let [chain, key] = ["minio.clearml.test.pem", "minio.clearml.test.key"].map(&at);
    let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&chain), mode(&key)), (0o644, 0o600));
    let first = fs::read_to_string(&chain).unwrap();
    // As some other server of the same machine would use it.
    let origin = Origin::ok();
    let lines = format!("certificates: [ {{ chain: {chain:?}, key: {key:?} }} ]");
    let other = Run::to(&origin).domain("\"minio.clearml.test\"").conf(&lines).start();
    let ca = made.folder().join("certs/local/clearml.test/ca.pem");
    let trusting = || Pki::client_trusting_file(&ca, &["http/1.1"]);
    for (name, taken) in [("minio.clearml.test", true), ("a.x.clearml.test", true), ("app.clearml.test", false)] {
        assert_eq!(Client::tls(other.https(), name, trusting()).is_ok(), taken, "{name}");
    }
    let (code, _, err) = certs(&["minio.clearml.test"]);
    assert!(code == 1 && err.contains("is there already") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(&chain).unwrap(), first, "nothing is overwritten silently");
    let (code, _, err) = certs(&["minio.clearml.test", "--force", "--days", "3"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_ne!(fs::read_to_string(&chain).unwrap(), first);
    let (code, _, err) = certs(&["www.example.com"]);
    assert!(code == 1 && err.contains("www.example.com") && err.contains("it may issue for clearml.test"), "{err}");
    assert!(!at("www.example.com.key").exists());
    for arguments in [&["a_b!.example"][..], &["x.example", "--ca", "ca.pem"], &[], &["x.example", "--days", "398"]] {
        assert_ne!(certs(arguments).0, 0, "{arguments:?}");
    }
}

#[test]
fn issue_signs_with_a_company_s_authority_whose_name_has_parts_of_one_kind() {
    let folder = folder("domain: \"clearml.test\"\n", &[]);
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let subject = "/DC=example/DC=corp/OU=One/OU=Two/CN=Corp Issuing CA";
    for (number, key) in [&["rsa:2048"][..], &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]].into_iter().enumerate() {
        let mut request = vec!["req", "-x509", "-nodes", "-keyout", "corp.key", "-out", "corp.pem", "-days", "30"];
        request.extend(["-subj", subject, "-addext", "keyUsage=critical,keyCertSign"]);
        openssl(&[&request[..], &["-newkey"], key].concat());
        let out = format!("out{number}");
        fs::create_dir(folder.path().join(&out)).unwrap();
        let arguments = ["certs", "issue", "*.ml.corp", "--ca", "corp.pem", "--ca-key", "corp.key", "--out", &out];
        let (code, said, err) = clearway(folder.path(), &arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{said}");
        let leaf = format!("{out}/_wildcard.ml.corp.pem");
        let verified =
            openssl(&["verify", "-x509_strict", "-CAfile", "corp.pem", "-verify_hostname", "x.ml.corp", &leaf]);
        assert!(verified.contains("OK"), "{verified}");
    }
}

#[test]
fn trust_prints_the_steps_for_everybody_and_changes_nothing() {
    let proxy = local();
    let (code, out, err) = proxy.command(&["certs", "trust"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let ca = proxy.folder().join("certs/local/clearml.test/ca.pem").display().to_string();
    for part in [
        "may sign for clearml.test",
        "sudo install -D -m 644",
        "sudo update-ca-certificates",
        "sudo update-ca-trust extract",
        "security add-trusted-cert",
        "certutil -addstore -f Root ca.pem",
        &format!("export REQUESTS_CA_BUNDLE={ca}"),
        &format!("api.verify_certificate: \"{ca}\""),
        &format!("sdk.api.verify_certificate: \"{ca}\""),
        "agent.extra_docker_arguments: [\"-v\"",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    assert!(!out.contains("done:"));
    let leaf = Pki::shared().issue(&NAMES);
    let alone = leaf.chain.strip_suffix(Pki::shared().ca()).unwrap();
    let folder = folder("domain: \"clearml.test\"\n", &[("leaf.pem", alone)]);
    let (code, _, err) = clearway(folder.path(), &["certs", "trust", "--ca", "leaf.pem"]);
    assert!(code == 1 && err.contains("is no certificate authority"), "{err}");
    let (code, _, err) = clearway(folder.path(), &["certs", "trust"]);
    assert!(code == 1 && err.contains("is not there yet") && err.contains("start the proxy once"), "{err}");
}

#[test]
fn trust_reaches_the_list_of_debian_below_another_root_and_leaves_it_again() {
    let proxy = local();
    let root = proxy.folder().join("image");
    let folder = proxy.folder().to_owned();
    fs::create_dir(&root).unwrap();
    let ca = fs::read_to_string(folder.join("certs/local/clearml.test/ca.pem")).unwrap();
    let ca = ca.replace('\r', "");
    let [conf, root_text] = [folder.join("proxy.conf"), root.clone()].map(|path| path.display().to_string());
    let trust = |more: &[&str]| {
        let arguments = ["certs", "trust", "--apply", "--target", "debian", "--root", &root_text, "--config", &conf];
        clearway(&folder, &[&arguments, more].concat())
    };
    let list = || fs::read_to_string(root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    // Without any other, Debian's program would leave its list as it was.
    fs::create_dir_all(root.join("usr/local/share/ca-certificates")).unwrap();
    fs::write(root.join("usr/local/share/ca-certificates/other.crt"), Pki::shared().ca()).unwrap();
    let file = root.join("usr/local/share/ca-certificates/clearway-local-ca-for-clearml.test.crt");
    for _ in 0..2 {
        let (code, out, err) = trust(&[]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(file.exists() && list().contains(ca.trim()), "{out}");
        assert!(out.matches("done:").count() >= 3, "{out}");
    }
    // A client that reads that list takes the proxy.
    let url = format!("https://{API}:{}/", proxy.https().port());
    let curl = |bundle: &Path| {
        let resolve = format!("{API}:{}:127.0.0.1", proxy.https().port());
        let arguments = ["-sS", "-o", "/dev/null", "--resolve", &resolve, "--cacert"];
        Command::new("curl").args(arguments).arg(bundle).arg(&url).output().unwrap()
    };
    assert!(curl(&root.join("etc/ssl/certs/ca-certificates.crt")).status.success());
    let (code, out, err) = trust(&["--undo"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(!file.exists() && !list().contains(ca.trim()), "{out}");
}

#[test]
fn trust_reaches_the_lists_of_browsers_and_leaves_them_again() {
    let proxy = local();
    let folder = proxy.folder().to_owned();
    let conf = folder.join("proxy.conf").display().to_string();
    // A profile of Firefox, as Firefox makes one.
    let profile = folder.join(".mozilla/firefox/abc.default");
    fs::create_dir_all(&profile).unwrap();
    let profile_text = format!("sql:{}", profile.display());
    let made = Command::new("certutil").args(["-d", &profile_text, "-N", "--empty-password"]).status();
    assert!(made.expect("certutil of libnss3-tools is installed").success());
    let trust = |more: &[&str]| {
        clearway(&folder, &[&["certs", "trust", "--apply", "--target", "nss", "--config", &conf], more].concat())
    };
    let trusts = |database: &Path| {
        let database = format!("sql:{}", database.display());
        let output = Command::new("certutil").args(["-L", "-d", &database]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().any(|line| line.starts_with("clearway-local-ca-for-clearml.test") && line.trim().ends_with("C,,"))
    };
    let databases = [folder.join(".pki/nssdb"), profile];
    for _ in 0..2 {
        let (code, out, err) = trust(&[]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(databases.iter().all(|database| trusts(database)), "{out}");
    }
    for _ in 0..2 {
        let (code, out, err) = trust(&["--undo"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(!databases.iter().any(|database| trusts(database)), "{out}");
    }
}

#[test]
fn what_cannot_be_carried_out_here_is_said_and_is_a_failure() {
    let proxy = local();
    let conf = proxy.folder().join("proxy.conf").display().to_string();
    for target in ["macos", "windows", "python", "clearml", "agent"] {
        let (code, out, _) =
            clearway(proxy.folder(), &["certs", "trust", "--apply", "--target", target, "--config", &conf]);
        assert_eq!(code, 1, "{target}: {out}");
        assert!(out.contains("by hand:") || out.contains("there is no program security here"), "{target}: {out}");
    }
}

#[test]
fn check_says_of_what_is_signed_here_what_a_start_would() {
    let folder = folder(
        "domain: \"clearml.test\"\nlocal_ca { certificate: \"ca.pem\", key: \"ca.key\" }\n",
        &[("ca.pem", "nothing"), ("ca.key", "nothing")],
    );
    let (code, view) = json(folder.path(), &["check"]);
    let problem = &view["problems"][0];
    assert_eq!((code, &problem["severity"]), (1, &"error".into()), "{view}");
    assert!(problem["message"].as_str().unwrap().contains("no PEM certificate"), "{problem}");
    fs::write(folder.path().join("proxy.conf"), "domain: \"clearml.test\"\nlocal_ca { key: \"ca.key\" }\n").unwrap();
    let (code, view) = json(folder.path(), &["check"]);
    assert!(code == 1 && view["problems"][0]["message"].as_str().unwrap().contains("belong together"), "{view}");
}
