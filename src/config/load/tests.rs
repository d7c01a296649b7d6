use super::*;
use crate::domain::names::PerService;
use crate::domain::units::ByteSize;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

fn cores() -> NonZeroUsize {
    NonZeroUsize::new(3).unwrap()
}

/// A folder with a `proxy.conf` in each named sub-folder.
fn folders(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, text) in files {
        fs::create_dir_all(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join("proxy.conf"), text).unwrap();
    }
    root
}

fn request(pairs: &[(&str, &str)]) -> LoadRequest {
    let environment = Environment::of(pairs.to_vec());
    LoadRequest { file: None, environment, overrides: Overrides::default(), cores: cores() }
}

/// Loads `text` as the only file.
fn loaded(text: &str) -> Result<Loaded, Problems> {
    let root = folders(&[("", text)]);
    load(&LoadRequest { file: Some(root.path().join("proxy.conf")), ..request(&[]) })
}

fn messages(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect()
}

fn listed(domains: &Domains) -> Vec<&str> {
    match domains {
        Domains::Any => vec!["*"],
        Domains::Listed(names) => names.iter().map(|name| name.as_str()).collect(),
    }
}

fn binds(loaded: &Loaded) -> (Vec<String>, Vec<String>) {
    let text = |binds: &[crate::domain::addr::ListenAddr]| binds.iter().map(ToString::to_string).collect();
    (text(&loaded.settings.https.bind), text(&loaded.settings.http.bind))
}

#[test]
fn nothing_set_is_local() {
    let none = load(&request(&[("CLEARML_CONFIG_DIR", "/")])).unwrap();
    assert!(none.local && none.files.is_empty() && none.warnings.is_empty());
    assert_eq!(none.settings, Settings::local(cores()));
    assert_eq!(loaded("").unwrap().settings, Settings::local(cores()));
}

#[test]
fn the_profile_follows_domain_and_certificates() {
    for (text, local, domains, https) in [
        ("workers: 1", true, "clearml.localhost", "127.0.0.1:8443"),
        ("domain: x.example", false, "x.example", "[::]:443"),
        ("domain: null", true, "clearml.localhost", "127.0.0.1:8443"),
        ("domain: \"*\"", false, "*", "[::]:443"),
        ("certificates: [{ chain: a, key: b }]", false, "*", "[::]:443"),
        ("certificates: []", true, "clearml.localhost", "127.0.0.1:8443"),
        ("certificates: [{ chain: a, key: b }], domain: x.example", false, "x.example", "[::]:443"),
        ("listeners.https.bind: 9443", true, "clearml.localhost", "[::]:9443"),
    ] {
        let loaded = loaded(text).unwrap();
        assert_eq!(loaded.local, local, "{text}");
        assert_eq!(listed(&loaded.settings.layout.domains), [domains], "{text}");
        assert_eq!(binds(&loaded).0, [https], "{text}");
    }
}

#[test]
fn one_line_is_a_complete_public_configuration() {
    let loaded = loaded("domain: \"clearml.example.com\"            # or a list").unwrap();
    let name = crate::domain::names::HostName::parse("clearml.example.com").unwrap();
    assert_eq!(loaded.settings, Settings::public(Domains::Listed(vec![name]), cores()));
    assert!(loaded.warnings.is_empty() && !loaded.local);
}

#[test]
fn later_folders_win_and_sections_merge() {
    let root = folders(&[
        (
            "a",
            "domain: a.example\nlisteners { https { bind: 1443 }, http { bind: 1080 } }\ntimeouts { hold: 1s, head: 1s }",
        ),
        ("b", "domain: b.example\nlisteners { https { bind: [2443] } }\n-timeouts { hold: 2s }"),
        ("empty/nothing", ""),
    ]);
    let path = |name: &str| root.path().join(name).display().to_string();
    let folders = format!("{}:{}:{}:{}", path("a"), path("missing"), path("empty"), path("b"));
    let loaded = load(&request(&[("CLEARML_CONFIG_DIR", &folders)])).unwrap();
    assert_eq!(listed(&loaded.settings.layout.domains), ["b.example"]);
    assert_eq!(binds(&loaded), (vec!["[::]:2443".into()], vec!["[::]:1080".into()]));
    assert_eq!(loaded.settings.timeouts.hold.as_secs(), 2);
    assert_eq!(loaded.settings.timeouts.head.as_secs(), 30, "`-timeouts` drops what the first file said");
    assert_eq!(loaded.files, [root.path().join("a/proxy.conf"), root.path().join("b/proxy.conf")]);
    assert_eq!(loaded.searched.len(), 4);
    let missing = format!(": the folder {} does not exist", path("missing"));
    assert_eq!(messages(&loaded.warnings), [missing]);
}

#[test]
fn names_that_are_listed_are_all_that_is_served() {
    let names = "hosts { app: ml.corp, api: [ml-api.corp], files: ml-files.corp }\nsingle_domain: One.corp";
    let settings = loaded(names).unwrap().settings;
    assert_eq!(settings.layout.domains, Domains::Listed(Vec::new()));
    assert_eq!(settings.layout.hosts.api[0].as_str(), "ml-api.corp");
    assert_eq!(settings.layout.single[0].as_str(), "one.corp");
    assert!(settings.https.bind[0].to_string().ends_with(":443"));
}

#[test]
fn a_name_leads_to_one_service_and_hosts_are_whole() {
    for (text, key, message) in [
        ("hosts { app: a.x, api: b.x }", "hosts.files", "hosts.files has no name"),
        ("hosts { app: a.x, api: b.x, files: A.x }", "hosts.files", "hosts.app has it"),
        ("single_domain: [a.x, a.x]", "single_domain", "single_domain has it"),
        ("domain: b.x\nsingle_domain: api.b.x", "single_domain", "domain has it"),
    ] {
        let problems = loaded(text).unwrap_err();
        let found = &problems.list()[0];
        assert!(found.key == key && found.message.contains(message), "{text}: {problems}");
    }
    assert!(loaded("domain: b.x\nsingle_domain: b.x").is_ok());
}

#[test]
fn a_named_file_is_the_only_one() {
    let root = folders(&[("a", "domain: a.example"), ("b", "workers: 1")]);
    let folder = root.path().join("a").display().to_string();
    let file = Some(root.path().join("b/proxy.conf"));
    let loaded = load(&LoadRequest { file, ..request(&[("CLEARML_CONFIG_DIR", &folder)]) }).unwrap();
    assert!(loaded.local && loaded.searched.is_empty());
    assert_eq!(loaded.settings.workers.get(), 1);
}

#[test]
fn environment_beats_files_and_flags_beat_both() {
    let root = folders(&[("", "domain: file.example\nworkers: 1\nlog.filter: warn\nlisteners.http.bind: 80")]);
    let folder = root.path().display().to_string();
    let mut request = request(&[
        ("CLEARML_CONFIG_DIR", &folder),
        ("TRAINS__PROXY__DOMAIN", "trains.example"),
        ("CLEARML__PROXY__DOMAIN", "clearml.example"),
        ("CLEARML__PROXY__WORKERS", "2"),
        ("CLEARML__PROXY__SERVICES__FILES__TARGETS", "[\"fileserver:8081\"]"),
        ("CLEARML__APISERVER__WHATEVER", "{"),
    ]);
    let loaded = load(&request).unwrap();
    assert_eq!(listed(&loaded.settings.layout.domains), ["clearml.example"]);
    assert_eq!((loaded.settings.workers.get(), loaded.settings.log.filter.as_str()), (2, "warn"));
    assert_eq!(loaded.settings.services.files.targets[0].to_string(), "fileserver:8081");
    assert_eq!(loaded.variables.len(), 4);

    request.overrides = Overrides {
        domains: vec!["a.example".into(), "b.example".into()],
        workers: Some("4".into()),
        https_port: Some(9443),
        no_http: true,
        targets: PerService { api: vec!["api:8008".into()], ..PerService::default() },
        log: Some("debug".into()),
        ..Overrides::default()
    };
    let loaded = load(&request).unwrap();
    assert_eq!(listed(&loaded.settings.layout.domains), ["a.example", "b.example"]);
    assert_eq!(loaded.settings.workers.get(), 4);
    assert_eq!(binds(&loaded).0, ["[::]:9443"]);
    assert!(!loaded.settings.http.enabled);
    assert_eq!(loaded.settings.services.api.targets[0].to_string(), "api:8008");
    assert_eq!(loaded.settings.log.filter, "debug");
    assert_eq!(loaded.flags, ["--domain", "--workers", "--https-port", "--no-http", "--api-target", "--log"]);
}

#[test]
fn a_port_flag_keeps_the_addresses() {
    let overrides = Overrides { https_port: Some(0), http_port: Some(1), ..Overrides::default() };
    let loaded = load(&LoadRequest { overrides, ..request(&[("CLEARML_CONFIG_DIR", "/")]) }).unwrap();
    assert_eq!(binds(&loaded), (vec!["127.0.0.1:0".into()], vec!["127.0.0.1:1".into()]));
    let overrides = Overrides { https: vec!["9443".into()], ..Overrides::default() };
    let loaded = load(&LoadRequest { overrides, ..request(&[("CLEARML_CONFIG_DIR", "/")]) }).unwrap();
    assert_eq!(binds(&loaded), (vec!["[::]:9443".into()], vec!["127.0.0.1:8880".into()]));
}

#[test]
fn everything_wrong_is_said_at_once() {
    let root = folders(&[
        ("a", "domian: x\ntimeouts { head: 30, hold: 12s, zzz: 1 }\nlisteners: 443"),
        ("b", "workers: none\nurl: https://x\n"),
    ]);
    let folders = format!("{0}/a:{0}/b", root.path().display());
    let mut request = request(&[
        ("CLEARML_CONFIG_DIR", &folders),
        ("CLEARML__PROXY__WORKERS", "0"),
        ("CLEARML__PROXY__POOL__IDLE", "1s"),
    ]);
    request.overrides.domains = vec!["app.x.example".into()];
    let problems = load(&request).unwrap_err();
    assert_eq!(
        messages(problems.list()),
        [
            ": quote this URL",
            "domian: unknown key",
            "listeners: expected a section, found a number",
            "timeouts.head: the duration \"30\" has no unit",
            "timeouts.zzz: unknown key",
            "pool.idle: unknown key",
            "workers: 0 is too small; at least 1",
            "domain: \"app.x.example\" is the host of one service",
        ]
    );
    let origins = problems.list().iter().map(|problem| problem.origin.to_string()).collect::<Vec<_>>();
    let root = root.path().display();
    assert_eq!(
        origins,
        [
            format!("{root}/b/proxy.conf:2:6"),
            format!("{root}/a/proxy.conf:1:1"),
            format!("{root}/a/proxy.conf:3:12"),
            format!("{root}/a/proxy.conf:2:18"),
            format!("{root}/a/proxy.conf:2:33"),
            "environment variable CLEARML__PROXY__POOL__IDLE".into(),
            "environment variable CLEARML__PROXY__WORKERS".into(),
            "flag --domain".into(),
        ]
    );
}

#[test]
fn a_mistake_that_is_overridden_is_still_said() {
    let root = folders(&[("", "workers: none")]);
    let folder = root.path().display().to_string();
    let environment = [("CLEARML_CONFIG_DIR", folder.as_str()), ("CLEARML__PROXY__WORKERS", "2")];
    assert_eq!(load(&request(&environment)).unwrap_err().list().len(), 1);
}

#[test]
fn rules_between_keys() {
    for (text, severity, message) in [
        ("timeouts.hold: 10s", Severity::Error, "timeouts.hold: 10s is too long; it must be below 10s"),
        (
            "timeouts.hold: 6s",
            Severity::Warning,
            "timeouts.hold: timeouts.hold, 6s, and services.api.queue_time, 4s, are not below 10s together",
        ),
        ("services.api.queue_time: 5s", Severity::Warning, "services.api.queue_time: timeouts.hold, 5s, and"),
        ("timeouts.keep_alive: 119s", Severity::Warning, "timeouts.keep_alive: 119s is short; 2m or more is better"),
        (
            "limits.min_upload_rate: 50000",
            Severity::Warning,
            "limits.min_upload_rate: 50000 bytes a second is not below",
        ),
        ("pool.idle_age: 75s", Severity::Warning, "pool.idle_age: 75s is not below 75s"),
        (
            "limits.target: 60000, limits.head: 8KiB",
            Severity::Error,
            "limits.target: 60000B is more than limits.head (8KiB)",
        ),
        ("listeners.https.bind: []", Severity::Error, "listeners.https.bind: the list is empty"),
        (
            "listeners { https.enabled: false, http.enabled: false }",
            Severity::Error,
            "listeners.https.enabled: both listeners are disabled",
        ),
        ("listeners.https.enabled: false", Severity::Warning, "listeners.https.enabled: only http is enabled"),
        ("listeners.https.bind: [443, 443]", Severity::Error, "listeners.https.bind: [::]:443 is bound twice"),
        (
            "listeners { https.bind: \"0.0.0.0:1443\", http.bind: 1443 }",
            Severity::Error,
            "listeners.http.bind: [::]:1443 overlaps 0.0.0.0:1443",
        ),
        (
            "admin.listen: [\"127.0.0.1:9180\", \"10.0.0.1:9180\"]",
            Severity::Error,
            "admin.listen: 10.0.0.1:9180 can be reached from other machines, and no token is demanded",
        ),
        ("admin.listen: 9180", Severity::Error, "admin.listen: [::]:9180 can be reached from other machines"),
        (
            "admin.listen: \"127.0.0.1:443\", listeners.https.bind: 443",
            Severity::Error,
            "admin.listen: 127.0.0.1:443 overlaps [::]:443",
        ),
    ] {
        let found = match loaded(text) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems.list().to_vec(),
        };
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].severity, severity, "{text}");
        assert!(messages(&found)[0].starts_with(message), "{text}: {found:?}");
        assert!(found[0].hint.is_some() && found[0].origin.position().is_some(), "{text}: {found:?}");
    }
    assert!(loaded("listeners { https.enabled: false, https.public_port: 443 }").unwrap().warnings.is_empty());
    assert!(loaded("listeners { http { enabled: false, bind: 443 }, https.bind: 443 }").unwrap().warnings.is_empty());
    assert!(loaded("admin { listen: 9180, token_file: \"/t\" }").unwrap().warnings.is_empty());
    assert!(loaded("admin.listen: [\"[::1]:9180\", \"127.0.0.9:1\"]").unwrap().warnings.is_empty());
}

#[test]
fn files_that_cannot_be_read_are_told_apart() {
    let root = folders(&[("a", ""), ("b", "")]);
    fs::remove_file(root.path().join("b/proxy.conf")).unwrap();
    fs::create_dir(root.path().join("b/proxy.conf")).unwrap();
    fs::write(root.path().join("latin1"), b"a: 1\nb: \xe4\n").unwrap();
    fs::write(root.path().join("large"), vec![b'#'; FILE_BYTES_MAX + 1]).unwrap();
    fs::write(root.path().join("bom"), "\u{feff}workers: 2").unwrap();
    for (file, message) in [
        ("missing", "cannot read the file: No such file"),
        ("a", "cannot read the file: Is a directory"),
        ("latin1", "line 2 is not UTF-8"),
        ("large", "the file has more than 262144 bytes"),
    ] {
        let problems = load(&LoadRequest { file: Some(root.path().join(file)), ..request(&[]) }).unwrap_err();
        assert_eq!(problems.list().len(), 1, "{problems:?}");
        assert!(problems.list()[0].message.starts_with(message), "{problems:?}");
    }
    let folder = root.path().join("b").display().to_string();
    assert!(
        load(&request(&[("CLEARML_CONFIG_DIR", &folder)])).is_err(),
        "a folder named proxy.conf is no missing file"
    );
    let bom = load(&LoadRequest { file: Some(root.path().join("bom")), ..request(&[]) }).unwrap();
    assert_eq!(bom.settings.workers.get(), 2);
}

#[test]
fn the_generated_file_changes_nothing_and_its_keys_are_the_defaults() {
    let text = super::super::reference::proxy_conf();
    assert_eq!(loaded(&text).unwrap().settings, Settings::local(cores()));
    // Refused by a program that cannot send spans.
    let possible = super::super::keys::keys().filter(|key| cfg!(feature = "otlp") || key.path != "traces.endpoint");
    let keys = possible.map(|key| format!("# {}: ", key.name())).collect::<Vec<_>>();
    let uncomment = |line: &str| match keys.iter().find(|key| line.trim_start().starts_with(key.as_str())) {
        Some(key) => line.replacen(key.as_str(), key.trim_start_matches("# "), 1),
        None => line.to_owned(),
    };
    let all = text.lines().skip(10).map(uncomment).collect::<Vec<_>>().join("\n");
    let loaded = loaded(&all).unwrap_or_else(|problems| panic!("{problems}\n{all}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let public = Settings::public(loaded.settings.layout.domains.clone(), loaded.settings.workers);
    assert_eq!((loaded.settings.limits, loaded.settings.timeouts), (public.limits, public.timeouts));
    // These two have no default, so what stands in the file is an example.
    let (size, age) = (Some(ByteSize::mib(100)), Some(Duration::from_secs(86_400)));
    let mut access_log = public.access_log;
    (access_log.rotation.size, access_log.rotation.age) = (size, age);
    assert_eq!((loaded.settings.pool, loaded.settings.access_log), (public.pool, access_log));
}

#[test]
fn acme_needs_names_and_a_way_to_show_that_they_are_ours() {
    let on = "domain: a.example, acme.enabled: true";
    for (text, expected) in [
        (on.to_owned(), None),
        ("domain: a.example, acme.challenge: http, listeners.http.enabled: false".to_owned(), None),
        ("hosts { app: a.b, api: c.d, files: e.f }, acme.enabled: true".to_owned(), None),
        ("domain: \"*\", acme.enabled: true".to_owned(), Some("acme.enabled: there is no name to ask for")),
        (
            format!("{on}, certificates: [ {{ chain: x, key: y }} ]"),
            Some("acme.enabled: certificates come from files already"),
        ),
        (
            format!("{on}, acme.challenge: http, listeners.http.enabled: false"),
            Some("acme.challenge: the http listener is disabled"),
        ),
        (
            format!("{on}, acme.external_account.id: kid-1"),
            Some("acme.external_account.id: name and key of the account belong together"),
        ),
        (
            format!("{on}, acme.directory: \"http://ca.example/dir\""),
            Some(
                "acme.directory: \"http://ca.example/dir\" is no directory of an authority: expected an https:// URL with a path",
            ),
        ),
        (
            format!("{on}, acme.email: nobody"),
            Some("acme.email: \"nobody\" is not what is expected here: e-mail address"),
        ),
    ] {
        let said = loaded(&text).map_or_else(|problems| messages(problems.list()), |_| Vec::new());
        assert_eq!(said, expected.into_iter().collect::<Vec<_>>(), "{text}");
    }
}
