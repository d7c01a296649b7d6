//! One value of the tree into one field of `Settings`.
//!
//! Owns: what each type takes and what is said when a value does not fit. Leaves: units and names to `units`, which
//! keys exist to `keys`, rules between keys to `checks`.

use super::problem::{Origin, Problem, shown};
use super::slot::{ACCESS_FORMATS, BALANCES, Bounds, CHALLENGES, LOG_FORMATS, Slot, TLS_POLICIES, Word, duration_text};
use super::suggest::closest;
use super::tree::{Map, Node, Value};
use super::units::{self, Mistake};
use crate::domain::addr::{ListenAddr, TrustedNetworks};
use crate::domain::names::HostName;
use crate::domain::page_origin::PageOrigin;
use crate::domain::settings::{CertificateFiles, DirectoryUrl, Domains, LogFile, NameServer, Settings};
use crate::domain::units::ByteSize;
use ipnet::IpNet;
use std::fmt::Display;
use std::net::IpAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Reads values, collecting what is wrong with them.
pub(super) struct Reader<'a> {
    /// Whether a file or folder is there; relative paths depend on it.
    pub(super) exists: &'a dyn Fn(&Path) -> bool,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads `node` for the key at `path` into its field. A value that does not fit changes nothing.
    pub(super) fn read(&mut self, path: &str, slot: &Slot, node: &Node, settings: &mut Settings) {
        let value = &node.value;
        let done = match slot {
            Slot::Switch(at) => units::switch(value).map(|switch| *at(settings) = switch),
            Slot::Count(at, bounds) => count(value, *bounds).map(|n| *at(settings) = nonzero(n)),
            Slot::CountOrZero(at, bounds) => count(value, *bounds).map(|n| *at(settings) = as_usize(n)),
            Slot::Number(at, bounds) => {
                count(value, *bounds).map(|n| *at(settings) = u32::try_from(n).unwrap_or(u32::MAX))
            }
            Slot::Rate(at, bounds) => {
                count(value, *bounds).map(|n| *at(settings) = NonZeroU64::new(n).unwrap_or(NonZeroU64::MIN))
            }
            Slot::Size(at, bounds) => size(value, *bounds).map(|size| *at(settings) = size),
            Slot::SizeOrNone(at, bounds) => size(value, *bounds)
                .map(|size| *at(settings) = Some(size))
                .map_err(|mistake| no_limit_hint(value, mistake)),
            Slot::Duration(at, bounds) => duration(value, *bounds).map(|wait| *at(settings) = wait),
            Slot::DurationOrNone(at, bounds) => duration(value, *bounds).map(|wait| *at(settings) = Some(wait)),
            Slot::PortOrNone(at) => {
                count(value, (1, 65_535)).map(|port| *at(settings) = Some(u16::try_from(port).unwrap_or(u16::MAX)))
            }
            Slot::AccessFormat(at) => one_of(value, ACCESS_FORMATS).map(|format| *at(settings) = format),
            Slot::LogFormat(at) => one_of(value, LOG_FORMATS).map(|format| *at(settings) = format),
            Slot::Filter(at) => text(value).map(|filter| *at(settings) = filter.to_owned()),
            Slot::LogFile(at) => text(value).map(|file| *at(settings) = log_file(file)),
            Slot::Folder(at) => text(value).map(|folder| *at(settings) = self.path(folder, &node.at)),
            Slot::WordOrNone(at, kind) => word(value, *kind).map(|word| *at(settings) = Some(word)),
            Slot::Directory(at) => directory(value).map(|url| *at(settings) = url),
            Slot::DirectoryOrNone(at) => directory(value).map(|url| *at(settings) = Some(url)),
            Slot::NameServers(at) => return self.name_servers(path, node, at(settings)),
            Slot::Challenge(at) => one_of(value, CHALLENGES).map(|choice| *at(settings) = choice),
            Slot::TlsPolicy(at) => one_of(value, TLS_POLICIES).map(|policy| *at(settings) = policy),
            Slot::Binds(at) => return self.binds(path, node, at(settings)),
            Slot::FileOrNone(at) => text(value).map(|file| *at(settings) = Some(self.path(file, &node.at))),
            Slot::Balance(at) => one_of(value, BALANCES).map(|balance| *at(settings) = balance),
            Slot::UrlPath(at) => units::url_path(value).map(|path| *at(settings) = path),
            Slot::Statuses(at) => return self.statuses(path, node, at(settings)),
            Slot::Targets(at) => return self.targets(path, node, at(settings)),
            Slot::Domains(at) => return self.domains(path, node, at(settings)),
            Slot::Hosts(at) => return self.hosts(path, node, at(settings)),
            Slot::Networks(at) => return self.networks(path, node, at(settings)),
            Slot::Pages(at) => return self.pages(path, node, at(settings)),
            Slot::Texts(at) => return self.texts(path, node, at(settings)),
            Slot::Certificates(at) => return self.certificates(path, node, at(settings)),
            Slot::ClientRules(at) => return self.client_rules(path, node, at(settings)),
        };
        if let Err(mistake) = done {
            self.mistake(path, &node.at, mistake);
        }
    }

    pub(super) fn mistake(&mut self, path: &str, origin: &Origin, mistake: Mistake) {
        let problem = Problem::error(origin.clone(), mistake.message).at(path);
        self.problems.push(Problem { hint: mistake.hint, ..problem });
    }

    /// Reads each element; a single value counts as a list of one. `None` where any element is wrong.
    pub(super) fn each<T>(
        &mut self,
        path: &str,
        node: &Node,
        mut parse: impl FnMut(&str) -> Result<T, Mistake>,
    ) -> Option<Vec<T>> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            match text(&item.value).and_then(&mut parse) {
                Ok(parsed) => out.push(parsed),
                Err(mistake) => self.mistake(path, &item.at, mistake),
            }
        }
        (out.len() == items.len()).then_some(out)
    }

    fn binds(&mut self, path: &str, node: &Node, field: &mut Vec<ListenAddr>) {
        let parse = |text: &str| {
            ListenAddr::parse(text.trim())
                .map_err(|error| list_hint(text, &format!("{} is no listen address", shown(text)), &error))
        };
        if let Some(binds) = self.each(path, node, parse) {
            *field = binds;
        }
    }

    fn hosts(&mut self, path: &str, node: &Node, field: &mut Vec<HostName>) {
        if let Some(hosts) = self.each(path, node, units::host) {
            *field = hosts;
        }
    }

    fn domains(&mut self, path: &str, node: &Node, field: &mut Domains) {
        let Some(domains) = self.each(path, node, units::domain) else { return };
        if domains.is_empty() {
            let mistake = Mistake::new("the list is empty");
            return self.mistake(
                path,
                &node.at,
                mistake.hint("name a domain, or leave the key out for clearml.localhost"),
            );
        }
        let count = domains.len();
        let mut names = domains.into_iter().flatten().collect::<Vec<_>>();
        *field = match names.len() {
            0 => Domains::Any,
            listed if listed < count => {
                let mistake = Mistake::new("\"*\" stands beside names that it includes");
                return self.mistake(path, &node.at, mistake.hint("keep either \"*\" or the names"));
            }
            _ => {
                let mut seen = std::collections::BTreeSet::new();
                names.retain(|name| seen.insert(name.clone()));
                Domains::Listed(names)
            }
        };
    }

    fn networks(&mut self, path: &str, node: &Node, field: &mut TrustedNetworks) {
        let parse = |text: &str| {
            let written = text.trim();
            let network = written.parse::<IpNet>().or_else(|_| written.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| {
                list_hint(
                    text,
                    &format!("{} is no network", shown(text)),
                    &"write a network (\"10.0.0.0/8\") or an address",
                )
            })
        };
        let Some(networks) = self.each(path, node, parse) else { return };
        if let Some(all) = networks.iter().find(|network| network.prefix_len() == 0) {
            let problem = Problem::warning(node.at.clone(), format!("{all} is everybody")).at(path);
            self.problems
                .push(problem.hint("any client can then claim any address; name your load balancers' networks"));
        }
        *field = TrustedNetworks::new(networks);
    }

    fn texts(&mut self, path: &str, node: &Node, field: &mut Vec<String>) {
        if let Some(texts) = self.each(path, node, |text| Ok(text.trim().to_owned())) {
            *field = texts;
        }
    }

    fn name_servers(&mut self, path: &str, node: &Node, field: &mut Vec<NameServer>) {
        let parse = |text: &str| {
            NameServer::parse(text.trim())
                .map_err(|error| list_hint(text, &format!("{} is no server of the DNS", shown(text)), &error))
        };
        if let Some(servers) = self.each(path, node, parse) {
            *field = servers;
        }
    }

    fn pages(&mut self, path: &str, node: &Node, field: &mut Vec<PageOrigin>) {
        let parse = |text: &str| {
            PageOrigin::parse(text.trim().trim_end_matches('/'))
                .map_err(|error| list_hint(text, &format!("{} is no page", shown(text)), &error))
        };
        if let Some(pages) = self.each(path, node, parse) {
            *field = pages;
        }
    }

    fn certificates(&mut self, path: &str, node: &Node, field: &mut Vec<CertificateFiles>) {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let read = items.iter().filter_map(|item| self.certificate(path, item)).collect::<Vec<_>>();
        if read.len() == items.len() {
            *field = read;
        }
    }

    fn certificate(&mut self, path: &str, node: &Node) -> Option<CertificateFiles> {
        const FIELDS: [&str; 2] = ["chain", "key"];
        const EXAMPLE: &str = "{ chain: \"certs/site.pem\", key: \"certs/site.key\" }";
        let Value::Map(fields) = &node.value else {
            let mistake = Mistake::new(format!("expected chain and key, found {}", node.value.kind()));
            self.mistake(path, &node.at, mistake.hint(format!("as in [ {EXAMPLE} ]")));
            return None;
        };
        let unknown = fields.iter().filter(|(name, _)| !FIELDS.contains(&name.as_str())).collect::<Vec<_>>();
        for (name, field) in &unknown {
            let problem = Problem::error(field.key.clone(), format!("unknown key `{name}` in a certificate")).at(path);
            let hint = closest(name, &FIELDS).map_or_else(
                || String::from("a certificate has chain and key"),
                |close| format!("did you mean `{close}`?"),
            );
            self.problems.push(problem.hint(hint));
        }
        let [chain, key] = FIELDS.map(|name| self.certificate_file(path, node, fields, name));
        let files = CertificateFiles { chain: chain?, key: key? };
        unknown.is_empty().then_some(files)
    }

    fn certificate_file(&mut self, path: &str, node: &Node, fields: &Map, name: &str) -> Option<PathBuf> {
        let Some(field) = fields.get(name).filter(|field| field.value != Value::Null) else {
            let mistake = Mistake::new(format!("the certificate has no {name}"));
            let hint = if name == "chain" {
                "the PEM file with the leaf and its intermediates"
            } else {
                "the PEM file with the private key"
            };
            self.mistake(path, &node.at, mistake.hint(format!("{name}: {hint}")));
            return None;
        };
        match text(&field.value) {
            Ok(file) => Some(self.path(file, &field.at)),
            Err(mistake) => {
                self.mistake(&format!("{path}.{name}"), &field.at, mistake);
                None
            }
        }
    }

    /// Where a path leads: beside the file that names it if something is there, else as written, which is below the
    /// working directory.
    pub(super) fn path(&self, written: &str, origin: &Origin) -> PathBuf {
        let beside = origin.folder().map(|folder| folder.join(written));
        beside.filter(|path| (self.exists)(path)).unwrap_or_else(|| PathBuf::from(written))
    }
}

/// A text; numbers are taken as written, because `443` may be meant as one.
pub(super) fn text(value: &Value) -> Result<&str, Mistake> {
    let text = match value {
        Value::Text(text) | Value::Number(text) => text,
        other => return Err(Mistake::new(format!("expected a text, found {}", other.kind()))),
    };
    if text.trim().is_empty() {
        return Err(Mistake::new("the text is empty").hint("leave the key out for the default"));
    }
    Ok(text)
}

/// `error`, or the way to write several values where `text` seems to hold them.
pub(super) fn list_hint(text: &str, message: &str, error: &dyn Display) -> Mistake {
    let mistake = Mistake::new(message);
    if text.contains(',') {
        let items = text.split(',').map(|item| format!("\"{}\"", item.trim())).collect::<Vec<_>>();
        return mistake.hint(format!("several values are a list: [{}]", items.join(", ")));
    }
    mistake.hint(error.to_string())
}

fn word(value: &Value, (what, fits): Word) -> Result<String, Mistake> {
    let text = text(value)?.trim();
    let is_word = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    match is_word && fits(text) {
        true => Ok(text.to_owned()),
        false => Err(Mistake::new(format!("{} is not what is expected here: {what}", shown(text)))),
    }
}

fn directory(value: &Value) -> Result<DirectoryUrl, Mistake> {
    let text = text(value)?.trim();
    DirectoryUrl::parse(text).map_err(|error| {
        Mistake::new(format!("{} is no directory of an authority: {error}", shown(text)))
            .hint("as in \"https://acme-v02.api.letsencrypt.org/directory\"")
    })
}

fn log_file(text: &str) -> LogFile {
    if text == "-" { LogFile::Stdout } else { LogFile::Path(PathBuf::from(text)) }
}

pub(super) fn count(value: &Value, (least, most): Bounds<u64>) -> Result<u64, Mistake> {
    let number = units::count(value)?;
    within(number, least, most, &number, &least, &most)
}

fn size(value: &Value, (least, most): Bounds<ByteSize>) -> Result<ByteSize, Mistake> {
    let size = units::size(value)?;
    within(size, least, most, &size, &least, &most)
}

fn duration(value: &Value, (least, most): Bounds<Duration>) -> Result<Duration, Mistake> {
    let wait = units::duration(value)?;
    within(wait, least, most, &duration_text(wait), &duration_text(least), &duration_text(most))
}

fn within<T: PartialOrd>(
    value: T,
    least: T,
    most: T,
    shown_value: &dyn Display,
    shown_least: &dyn Display,
    shown_most: &dyn Display,
) -> Result<T, Mistake> {
    if value < least {
        return Err(Mistake::new(format!("{shown_value} is too small; at least {shown_least}")));
    }
    if value > most {
        return Err(Mistake::new(format!("{shown_value} is too large; at most {shown_most}")));
    }
    Ok(value)
}

fn no_limit_hint(value: &Value, mistake: Mistake) -> Mistake {
    let zero = matches!(value, Value::Number(text) | Value::Text(text) if text.trim_start().starts_with('0'));
    if zero { mistake.hint("leave the key out for no limit") } else { mistake }
}

pub(super) fn one_of<T: Copy>(value: &Value, table: &[(&str, T)]) -> Result<T, Mistake> {
    let written = text(value)?.trim();
    if let Some((_, found)) = table.iter().find(|(name, _)| name.eq_ignore_ascii_case(written)) {
        return Ok(*found);
    }
    let names = table.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    let mistake = Mistake::new(format!("{} is none of {}", shown(written), names.join(", ")));
    Err(match closest(written, &names) {
        Some(close) => mistake.hint(format!("did you mean \"{close}\"?")),
        None => mistake,
    })
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn nonzero(number: u64) -> NonZeroUsize {
    NonZeroUsize::new(as_usize(number)).unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests;
