//! "Did you mean": the closest of the names that exist.

use super::keys::{keys, names_in};

/// How alike two names must be, from 0 to 1 (Jaro-Winkler), unless they are one slip of the fingers apart.
const ALIKE_MIN: f64 = 0.8;

/// The candidate closest to `name`, if any is close.
pub(super) fn closest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let is_close = |candidate: &str, alike: f64| alike > ALIKE_MIN || strsim::osa_distance(&name, candidate) == 1;
    let rated = candidates.iter().map(|candidate| (strsim::jaro_winkler(&name, candidate), *candidate));
    rated
        .filter(|(alike, candidate)| is_close(candidate, *alike))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What to do about `name`, which `section` does not have.
pub(super) fn unknown_key(section: &str, name: &str) -> String {
    let names = names_in(section);
    if let Some(close) = closest(name, &names) {
        return format!("did you mean `{}`?", join(section, close));
    }
    if let Some(elsewhere) = keys().find(|key| key.name() == name || key.section().rsplit('.').next() == Some(name)) {
        let path = if elsewhere.name() == name { elsewhere.path } else { elsewhere.section() };
        return format!("did you mean `{path}`?");
    }
    match section {
        "" if name == "proxy" => String::from("the file's name says it already: write its keys without `proxy { }`"),
        "" => format!("known here: {}", names.join(", ")),
        _ => format!("known in {section}: {}", names.join(", ")),
    }
}

/// `section.name`, or `name` at the top.
pub(super) fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_was_meant() {
        for (section, name, hint) in [
            ("", "domian", "did you mean `domain`?"),
            ("", "certificate", "did you mean `certificates`?"),
            ("", "listener", "did you mean `listeners`?"),
            ("timeouts", "first-byte", "did you mean `timeouts.first_byte`?"),
            ("timeouts", "KeepAlive", "did you mean `timeouts.keep_alive`?"),
            ("services", "flies", "did you mean `services.files`?"),
            ("services", "pai", "did you mean `services.api`?"),
            ("", "bind", "did you mean `listeners.https.bind`?"),
            ("", "https", "did you mean `listeners.https`?"),
            ("pool", "zzz", "known in pool: idle_per_target, idle_age"),
            ("", "proxy", "the file's name says it already: write its keys without `proxy { }`"),
        ] {
            assert_eq!(unknown_key(section, name), hint, "{section} {name}");
        }
        assert!(unknown_key("", "zzz").starts_with("known here: domain, hosts, single_domain"));
    }
}
