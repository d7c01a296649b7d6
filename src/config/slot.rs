//! What a key takes, and which field of `Settings` it goes to.
//!
//! Owns: the closed set of types and their limits. Leaves: reading values to `read`, the rows to `keys`.

use crate::domain::addr::{ListenAddr, TrustedNetworks};
use crate::domain::names::HostName;
use crate::domain::page_origin::PageOrigin;
use crate::domain::settings::{
    AccessFormat, Balance, CertificateFiles, ChallengeChoice, ClientMode, ClientRuleSettings, DirectoryUrl, Domains,
    ExpectedStatuses, LogFile, LogFormat, NameServer, Settings, TargetSettings, TlsPolicy,
};
use crate::domain::units::ByteSize;
use std::fmt::Display;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// The field of a key.
pub(super) type At<T> = fn(&mut Settings) -> &mut T;

/// The smallest and the largest value, both allowed.
pub(super) type Bounds<T> = (T, T);

/// What a word is called, and whether a text is one.
pub(super) type Word = (&'static str, fn(&str) -> bool);

/// Type, limits and field of a key.
pub(super) enum Slot {
    Switch(At<bool>),
    /// A whole number.
    Count(At<NonZeroUsize>, Bounds<u64>),
    CountOrZero(At<usize>, Bounds<u64>),
    Number(At<u32>, Bounds<u64>),
    /// Bytes a second.
    Rate(At<NonZeroU64>, Bounds<u64>),
    Size(At<ByteSize>, Bounds<ByteSize>),
    SizeOrNone(At<Option<ByteSize>>, Bounds<ByteSize>),
    Duration(At<Duration>, Bounds<Duration>),
    DurationOrNone(At<Option<Duration>>, Bounds<Duration>),
    PortOrNone(At<Option<u16>>),
    Binds(At<Vec<ListenAddr>>),
    Targets(At<Vec<TargetSettings>>),
    Balance(At<Balance>),
    Statuses(At<ExpectedStatuses>),
    /// A path with an optional query.
    UrlPath(At<String>),
    FileOrNone(At<Option<PathBuf>>),
    Domains(At<Domains>),
    Hosts(At<Vec<HostName>>),
    Certificates(At<Vec<CertificateFiles>>),
    Folder(At<PathBuf>),
    Networks(At<TrustedNetworks>),
    Pages(At<Vec<PageOrigin>>),
    Texts(At<Vec<String>>),
    AccessFormat(At<AccessFormat>),
    LogFormat(At<LogFormat>),
    LogFile(At<LogFile>),
    Filter(At<String>),
    /// Text without spaces: what it is, and what it must be like.
    WordOrNone(At<Option<String>>, Word),
    Directory(At<DirectoryUrl>),
    DirectoryOrNone(At<Option<DirectoryUrl>>),
    NameServers(At<Vec<NameServer>>),
    Challenge(At<ChallengeChoice>),
    TlsPolicy(At<TlsPolicy>),
    ClientRules(At<Vec<ClientRuleSettings>>),
}

/// The access-log formats by name.
pub(super) const ACCESS_FORMATS: &[(&str, AccessFormat)] = &[
    ("json", AccessFormat::Json),
    ("pretty", AccessFormat::Pretty),
    ("common", AccessFormat::Common),
    ("combined", AccessFormat::Combined),
    ("alb", AccessFormat::Alb),
];

/// The event formats by name.
pub(super) const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];

/// The ways of balancing by name.
pub(super) const BALANCES: &[(&str, Balance)] =
    &[("least_outstanding", Balance::LeastOutstanding), ("round_robin", Balance::RoundRobin)];

/// The ways to show that a name is ours.
pub(super) const CHALLENGES: &[(&str, ChallengeChoice)] = &[
    ("auto", ChallengeChoice::Auto),
    ("http", ChallengeChoice::Http),
    ("tls_alpn", ChallengeChoice::TlsAlpn),
    ("dns", ChallengeChoice::Dns),
];

/// The TLS policies by name.
pub(super) const TLS_POLICIES: &[(&str, TlsPolicy)] = &[
    (TlsPolicy::Modern.as_str(), TlsPolicy::Modern),
    (TlsPolicy::Default.as_str(), TlsPolicy::Default),
    (TlsPolicy::Compatible.as_str(), TlsPolicy::Compatible),
];

/// Whether clients must have a certificate, by name.
pub(super) const CLIENT_MODES: &[(&str, ClientMode)] =
    &[("off", ClientMode::Off), ("optional", ClientMode::Optional), ("required", ClientMode::Required)];

impl Slot {
    /// The type as the reference names it, with its limits.
    pub(super) fn type_text(&self) -> String {
        let range = |least: &dyn Display, most: &dyn Display| format!("{least} to {most}");
        match self {
            Self::Switch(_) => "true or false".into(),
            Self::Count(_, (least, most)) | Self::CountOrZero(_, (least, most)) | Self::Number(_, (least, most)) => {
                format!("number, {}", range(least, most))
            }
            Self::Rate(_, (least, most)) => format!("bytes per second, {}", range(least, most)),
            Self::Size(_, (least, most)) => format!("size, {}", range(least, most)),
            Self::SizeOrNone(_, (least, _)) => format!("size, at least {least}"),
            Self::Duration(_, (least, most)) | Self::DurationOrNone(_, (least, most)) => {
                format!("duration, {} to {}", duration_text(*least), duration_text(*most))
            }
            Self::PortOrNone(_) => "port, 1 to 65535".into(),
            Self::Binds(_) => "list of ports or addresses with port".into(),
            Self::Targets(_) => "list of host:port, https://host:port or { address, weight, backup }".into(),
            Self::Balance(_) => names(BALANCES),
            Self::Statuses(_) => "list of statuses or ranges of them (\"200-299\")".into(),
            Self::UrlPath(_) => "path".into(),
            Self::FileOrNone(_) => "path of a file".into(),
            Self::Domains(_) => "name, list of names, or \"*\"".into(),
            Self::Hosts(_) => "name, or list of names".into(),
            Self::Certificates(_) => "list of { chain, key }".into(),
            Self::Folder(_) => "path".into(),
            Self::Networks(_) => "list of networks or addresses".into(),
            Self::Pages(_) => "list of pages".into(),
            Self::Texts(_) => "list of texts".into(),
            Self::AccessFormat(_) => names(ACCESS_FORMATS),
            Self::LogFormat(_) => names(LOG_FORMATS),
            Self::LogFile(_) => "\"-\" (standard output) or a path".into(),
            Self::Filter(_) => "filter".into(),
            Self::WordOrNone(_, (what, _)) => (*what).into(),
            Self::Directory(_) | Self::DirectoryOrNone(_) => "https:// URL".into(),
            Self::NameServers(_) => "list of host or host:port".into(),
            Self::Challenge(_) => names(CHALLENGES),
            Self::TlsPolicy(_) => names(TLS_POLICIES),
            Self::ClientRules(_) => "list of { hosts, mode, roots, crls, expired_crl }".into(),
        }
    }

    /// The value in `settings` as it would be written in `proxy.conf`; `None` where nothing is set.
    pub(super) fn written(&self, settings: &mut Settings) -> Option<String> {
        Some(match self {
            Self::Switch(at) => at(settings).to_string(),
            Self::Count(at, _) => at(settings).to_string(),
            Self::CountOrZero(at, _) => at(settings).to_string(),
            Self::Number(at, _) => at(settings).to_string(),
            Self::Rate(at, _) => at(settings).to_string(),
            Self::Size(at, _) => at(settings).to_string(),
            Self::SizeOrNone(at, _) => at(settings).as_ref()?.to_string(),
            Self::Duration(at, _) => duration_text(*at(settings)),
            Self::DurationOrNone(at, _) => duration_text(at(settings).as_ref().copied()?),
            Self::PortOrNone(at) => at(settings).as_ref()?.to_string(),
            Self::Binds(at) => list(at(settings)),
            Self::Targets(at) => list(at(settings)),
            Self::Balance(at) => name(BALANCES, *at(settings)),
            Self::Statuses(at) => list(&at(settings).0.iter().map(range_text).collect::<Vec<_>>()),
            Self::UrlPath(at) => format!("{:?}", at(settings)),
            Self::FileOrNone(at) => format!("{:?}", at(settings).as_ref()?.display().to_string()),
            Self::Domains(at) => match at(settings) {
                Domains::Any => return None,
                Domains::Listed(names) => list(names),
            },
            Self::Hosts(at) => match at(settings).as_slice() {
                [] => return None,
                names => list(names),
            },
            Self::Pages(at) => list(at(settings)),
            Self::Texts(at) => list(at(settings)),
            Self::Certificates(at) => {
                let pair = |files: &CertificateFiles| format!("{{ chain: {:?}, key: {:?} }}", files.chain, files.key);
                format!("[{}]", at(settings).iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Self::Networks(at) => list(at(settings).networks()),
            Self::Folder(at) => format!("{:?}", at(settings).display().to_string()),
            Self::AccessFormat(at) => name(ACCESS_FORMATS, *at(settings)),
            Self::LogFormat(at) => name(LOG_FORMATS, *at(settings)),
            Self::LogFile(at) => match at(settings) {
                LogFile::Stdout => "\"-\"".into(),
                LogFile::Path(path) => format!("{:?}", path.display().to_string()),
            },
            Self::Filter(at) => format!("{:?}", at(settings)),
            Self::WordOrNone(at, _) => format!("{:?}", at(settings).as_ref()?),
            Self::Directory(at) => format!("{:?}", at(settings).as_str()),
            Self::DirectoryOrNone(at) => format!("{:?}", at(settings).as_ref()?.as_str()),
            Self::NameServers(at) => list(at(settings)),
            Self::Challenge(at) => name(CHALLENGES, *at(settings)),
            Self::TlsPolicy(at) => name(TLS_POLICIES, *at(settings)),
            Self::ClientRules(at) => client_rules(at(settings))?,
        })
    }
}

fn list<T: Display>(items: &[T]) -> String {
    let quoted = items.iter().map(|item| format!("\"{item}\"")).collect::<Vec<_>>();
    format!("[{}]", quoted.join(", "))
}

/// The rules as they would be written; `None` where there are none.
fn client_rules(rules: &[ClientRuleSettings]) -> Option<String> {
    let rule = |rule: &ClientRuleSettings| {
        let mut fields =
            vec![format!("hosts: {}", list(&rule.hosts)), format!("mode: {}", name(CLIENT_MODES, rule.mode))];
        fields.extend(rule.roots.as_ref().map(|roots| format!("roots: {roots:?}")));
        if !rule.crls.is_empty() {
            fields.push(format!("crls: {:?}", rule.crls));
        }
        if rule.refuse_expired_crls {
            fields.push(String::from("expired_crl: \"refuse\""));
        }
        format!("{{ {} }}", fields.join(", "))
    };
    (!rules.is_empty()).then(|| format!("[{}]", rules.iter().map(rule).collect::<Vec<_>>().join(", ")))
}

fn range_text((first, last): &(u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn names<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(" or ")
}

fn name<T: PartialEq>(table: &[(&str, T)], value: T) -> String {
    table.iter().find(|(_, candidate)| *candidate == value).map_or_else(String::new, |(name, _)| format!("\"{name}\""))
}

/// A duration in its largest whole unit, as it would be written.
pub(super) fn duration_text(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let millis = duration.as_millis();
    UNITS.into_iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size)).map_or_else(
        || if millis == 0 { "0s".into() } else { format!("{millis}ms") },
        |(size, unit)| format!("{}{unit}", millis / size),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_whole_units() {
        for (millis, text) in
            [(0, "0s"), (1, "1ms"), (1_500, "1500ms"), (5_000, "5s"), (300_000, "5m"), (3_600_000, "1h")]
        {
            assert_eq!(duration_text(Duration::from_millis(millis)), text);
        }
    }
}
