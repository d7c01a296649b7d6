//! What differs between two configurations: what a reload changes, and what only a restart can.

use super::keys::keys;
use crate::domain::settings::Settings;

/// The keys whose values differ.
#[must_use]
pub fn changed_keys(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let (mut old, mut new) = (old.clone(), new.clone());
    keys().filter(|key| key.slot.written(&mut old) != key.slot.written(&mut new)).map(|key| key.path).collect()
}

/// Gives `new` the values of `old` wherever only a restart can change them; returns those keys that differed.
pub fn hold_back(old: &Settings, new: &mut Settings) -> Vec<&'static str> {
    let before = new.clone();
    new.workers = old.workers;
    new.log.format = old.log.format;
    new.admin.clone_from(&old.admin);
    new.protection.token_gate.checks = old.protection.token_gate.checks;
    changed_keys(&before, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settings::{CertificateFiles, Domains, LogFormat};
    use std::num::NonZeroUsize;

    fn settings() -> Settings {
        Settings::public(Domains::Any, NonZeroUsize::MIN)
    }

    #[test]
    fn nothing_differs_between_equals() {
        assert_eq!(changed_keys(&settings(), &settings()), Vec::<&str>::new());
    }

    #[test]
    fn names_what_differs_and_holds_back_what_needs_a_restart() {
        let old = settings();
        let mut new = settings();
        new.workers = NonZeroUsize::new(7).unwrap();
        new.log.format = LogFormat::Json;
        new.timeouts.hold *= 2;
        new.certificates = vec![CertificateFiles { chain: "a".into(), key: "b".into() }];
        assert_eq!(changed_keys(&old, &new), ["workers", "certificates", "timeouts.hold", "log.format"]);
        assert_eq!(hold_back(&old, &mut new), ["workers", "log.format"]);
        assert_eq!(changed_keys(&old, &new), ["certificates", "timeouts.hold"]);
    }

    #[test]
    fn the_table_says_which_keys_need_a_restart() {
        let says = |help: &str| help.split_whitespace().collect::<Vec<_>>().join(" ").contains("eeds a restart");
        let said = keys().filter(|key| says(key.help)).map(|key| key.path).collect::<Vec<_>>();
        let (old, mut new) = (settings(), Settings::local(NonZeroUsize::new(7).unwrap()));
        new.log.format = LogFormat::Json;
        new.admin.enabled = !old.admin.enabled;
        new.admin.socket = Some("other".into());
        new.protection.token_gate.checks = NonZeroUsize::MIN;
        assert_eq!(said, hold_back(&old, &mut new));
    }
}
