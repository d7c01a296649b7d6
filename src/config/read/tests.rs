use super::super::keys::key;
use super::super::problem::Severity;
use super::super::value;
use super::*;
use crate::config::Environment;

/// Reads `text`, written as in an environment variable, for the key at `path`.
fn read(path: &str, text: &str) -> (Settings, Vec<Problem>) {
    let reading = value::read(text, &Environment::default(), &Origin::Default).unwrap();
    let mut settings = Settings::public(Domains::Any, NonZeroUsize::MIN);
    let mut reader = Reader { exists: &|_| false, problems: Vec::new() };
    let node = Node::new(Origin::Default, reading.value.unwrap());
    reader.read(path, &key(path).unwrap().slot, &node, &mut settings);
    (settings, reader.problems)
}

/// The value that `text` gives the key, as the reference would write it.
fn written(path: &str, text: &str) -> String {
    let (mut settings, problems) = read(path, text);
    assert!(problems.is_empty(), "{path} {text}: {problems:?}");
    key(path).unwrap().slot.written(&mut settings).unwrap_or_default()
}

#[test]
fn takes_each_type() {
    for (path, text, value) in [
        ("domain", "a.example", "[\"a.example\"]"),
        ("domain", "[a.example, B.example, a.example]", "[\"a.example\", \"b.example\"]"),
        ("domain", "\"*\"", ""),
        ("hosts.app", "ML.corp", "[\"ml.corp\"]"),
        ("single_domain", "[a.corp, localhost]", "[\"a.corp\", \"localhost\"]"),
        ("workers", "4", "4"),
        ("workers", "\"4\"", "4"),
        ("listeners.https.enabled", "off", "false"),
        ("listeners.https.bind", "443", "[\"[::]:443\"]"),
        ("listeners.https.bind", "[8443, \"127.0.0.1:443\"]", "[\"[::]:8443\", \"127.0.0.1:443\"]"),
        ("listeners.https.bind", "[]", "[]"),
        ("listeners.https.public_port", "8443", "8443"),
        ("services.app.targets", "webserver:80", "[\"webserver:80\"]"),
        ("services.app.targets", "[\"https://a\", b:80]", "[\"https://a:443\", \"b:80\"]"),
        (
            "services.app.targets",
            "[{address: a:1, weight: 3, backup: off}, {address: b:1, backup: true}]",
            "[\"a:1 (weight 3)\", \"b:1 (backup)\"]",
        ),
        ("services.app.balance", "round_robin", "\"round_robin\""),
        ("services.api.ca", "/etc/ca.pem", "\"/etc/ca.pem\""),
        ("services.api.probe", "\"/v2/x?y=1\"", "\"/v2/x?y=1\""),
        ("services.api.probe_status", "[200, \"401-403\"]", "[\"200\", \"401-403\"]"),
        ("health.down_after", "5", "5"),
        ("services.app.max_body", "64MiB", "64MiB"),
        ("limits.min_upload_rate", "100", "100"),
        ("limits.streams", "100", "100"),
        ("limits.linger", "0", "0B"),
        ("timeouts.drain", "10 minutes", "10m"),
        ("pool.idle_per_target", "0", "0"),
        ("access_log.format", "common", "\"common\""),
        ("access_log.file", "/var/log/x", "\"/var/log/x\""),
        ("access_log.file", "\"-\"", "\"-\""),
        ("log.format", "JSON", "\"json\""),
        ("log.filter", "info,clearway=debug", "\"info,clearway=debug\""),
        ("certificate_folder", "/var/lib/x", "\"/var/lib/x\""),
    ] {
        assert_eq!(written(path, text), value, "{path} {text}");
    }
}

#[test]
fn says_what_does_not_fit_and_what_would() {
    for (path, text, message, hint) in [
        ("domain", "[]", "the list is empty", "clearml.localhost"),
        ("domain", "[\"*\", a.example]", "stands beside names", "keep either"),
        ("domain", "{a: 1}", "expected a text, found a section", ""),
        ("domain", "\"\"", "the text is empty", "leave the key out"),
        ("hosts.app", "https://ml.corp/", "is a URL", "\"ml.corp\""),
        ("hosts.app", "ml.corp:8443", "has a port", "listeners.https"),
        ("single_domain", "10.0.0.5", "is an address", "give this machine one"),
        ("single_domain", "\"a.corp, b.corp\"", "is no host name", "[\"a.example\""),
        ("workers", "0", "0 is too small; at least 1", ""),
        ("workers", "5000", "5000 is too large; at most 1024", ""),
        ("workers", "two", "expected a whole number, found \"two\"", ""),
        ("workers", "[1]", "expected a whole number, found a list", ""),
        ("listeners.http.enabled", "maybe", "expected true or false, found \"maybe\"", ""),
        ("listeners.https.bind", "localhost:443", "no listen address", "expected a port"),
        ("listeners.https.bind", "\"443, 8443\"", "no listen address", "[\"443\", \"8443\"]"),
        ("listeners.http.public_port", "70000", "70000 is too large; at most 65535", ""),
        ("services.api.targets", "[]", "the list is empty", "leave the key out"),
        ("services.api.targets", "http://a:8008", "no target", "host:port or https://host:port"),
        ("services.api.targets", "apiserver", "no target", "needs a port"),
        ("services.api.targets", "a:1, b:2", "no target", "[\"a:1\", \"b:2\"]"),
        ("services.api.targets", "[a:1, a:1]", "a:1 stands there twice", "`weight`"),
        ("services.api.targets", "[{address: a:1, backup: true}]", "every target is a backup", "at least one"),
        ("services.api.targets", "[{weight: 2}]", "the target has no address", "host:port"),
        ("services.api.targets", "[{address: a:1, wieght: 2}]", "unknown key `wieght`", "did you mean `weight`?"),
        ("services.api.targets", "[{address: a:1, weight: 0}]", "0 is too small", ""),
        ("services.api.balance", "least", "none of least_outstanding, round_robin", ""),
        ("services.api.probe", "debug.ping", "no path of a URL", "/debug.ping"),
        ("services.api.probe_status", "[\"300-200\"]", "no status", "200-299"),
        ("services.api.probe_status", "[]", "no answer would do", "leave the key out"),
        ("services.api.max_body", "0", "too small", "leave the key out for no limit"),
        ("limits.head", "1KiB", "1KiB is too small; at least 8KiB", ""),
        ("limits.head", "5KB", "no size", "KiB for 1024"),
        ("timeouts.head", "30", "has no unit", "\"30s\""),
        ("timeouts.head", "0s", "0s is too small; at least 1ms", ""),
        ("timeouts.head", "9999d", "9999d is too large; at most 30d", ""),
        ("access_log.format", "jsn", "none of json, pretty, common, combined, alb", "did you mean \"json\"?"),
        ("trusted_proxies", "10.0.0.0/33", "no network", "\"10.0.0.0/8\""),
        ("certificates", "site.pem", "expected chain and key, found a text", "as in [ {"),
        ("certificates", "[{chain: a}]", "the certificate has no key", "private key"),
        ("certificates", "[{chain: a, key: b, kye: c}]", "unknown key `kye`", "did you mean `key`?"),
        ("certificates", "[{chain: [a], key: b}]", "expected a text, found a list", ""),
    ] {
        let (settings, problems) = read(path, text);
        assert_eq!(problems.len(), 1, "{path} {text}: {problems:?}");
        assert_eq!((problems[0].severity, problems[0].key.starts_with(path)), (Severity::Error, true));
        assert!(problems[0].message.contains(message), "{path} {text}: {problems:?}");
        assert!(problems[0].hint.clone().unwrap_or_default().contains(hint), "{path} {text}: {problems:?}");
        assert_eq!(settings, Settings::public(Domains::Any, NonZeroUsize::MIN), "{path} {text} changed something");
    }
}

#[test]
fn every_wrong_element_is_reported() {
    let (_, problems) = read("services.app.targets", "[a, b:1, c]");
    assert_eq!(problems.len(), 2);
    let (_, problems) = read("certificates", "[{chain: a}, {key: b}, {}]");
    assert_eq!(problems.len(), 4);
}

#[test]
fn networks_and_addresses_are_trusted() {
    let (settings, problems) = read("trusted_proxies", "[10.0.0.0/8, \"fd00::1\"]");
    assert!(problems.is_empty());
    assert!(settings.trusted_proxies.contains("10.1.2.3".parse().unwrap()));
    assert!(settings.trusted_proxies.contains("fd00::1".parse().unwrap()));
    assert!(!settings.trusted_proxies.contains("fd00::2".parse().unwrap()));
    let (settings, problems) = read("trusted_proxies", "0.0.0.0/0");
    assert_eq!(problems[0].severity, Severity::Warning);
    assert!(!settings.trusted_proxies.is_empty());
}

#[test]
fn relative_certificates_stand_beside_the_file_that_names_them() {
    let source = std::sync::Arc::new(super::super::problem::Source {
        path: "/etc/x/proxy.conf".into(),
        text: "text".into(),
        secret: false,
    });
    let origin = Origin::Text { source, span: 0..1 };
    let there = |path: &Path| path == Path::new("/etc/x/certs/site.pem");
    let reader = Reader { exists: &there, problems: Vec::new() };
    for (written, origin, path) in [
        ("certs/site.pem", origin.clone(), "/etc/x/certs/site.pem"),
        ("certs/site.key", origin.clone(), "certs/site.key"),
        ("/abs/site.pem", origin, "/abs/site.pem"),
        ("certs/site.pem", Origin::Variable("X".into()), "certs/site.pem"),
    ] {
        assert_eq!(reader.path(written, &origin), PathBuf::from(path), "{written}");
    }
}
