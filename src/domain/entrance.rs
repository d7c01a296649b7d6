//! Entrances: the names under which one set of the three services is reached, and the URLs that follow.
//!
//! Owns: which entrance a host belongs to, where each service is reached through it. Leaves: paths to `route`.

use super::names::{HostName, PerService, ServiceName};
use super::settings::{Domains, Layout};

/// One way in to all three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance<'a> {
    /// `app.`, `api.` and `files.` below this domain, in the case it was asked for.
    Domain(&'a str),
    /// A name of its own for each, the n-th of each list belonging together.
    Hosts(&'a PerService<Vec<HostName>>, usize),
    /// One host with paths, in the case it was asked for.
    Single(&'a str),
}

impl<'a> Entrance<'a> {
    /// The entrance that `host` (no port, no final dot, any case) belongs to, and the service it names there; a host
    /// with paths names the web UI. `None` for an unknown host.
    #[must_use]
    pub fn of(layout: &'a Layout, host: &'a str) -> Option<(Self, ServiceName)> {
        let is_host = |name: &HostName| is_same(name, host);
        for (service, names) in layout.hosts.iter() {
            if let Some(number) = names.iter().position(is_host) {
                return Some((Self::Hosts(&layout.hosts, number), service));
            }
        }
        if layout.single.iter().any(is_host) {
            return Some((Self::Single(host), ServiceName::App));
        }
        // The first label is short, so it is not searched for with much preparation.
        let dot = host.bytes().position(|byte| byte == b'.')?;
        let (label, parent) = (host.get(..dot)?, host.get(dot + 1..)?);
        let service = ServiceName::from_label(label)?;
        let served = match &layout.domains {
            Domains::Any => !parent.is_empty(),
            Domains::Listed(listed) => listed.iter().any(|domain| is_same(domain, parent)),
        };
        served.then_some((Self::Domain(parent), service))
    }

    /// Every entrance of `layout` that can be named, the first being the one to recommend.
    pub fn all(layout: &'a Layout) -> impl Iterator<Item = Self> {
        let domains: &[HostName] = match &layout.domains {
            Domains::Any => &[],
            Domains::Listed(listed) => listed,
        };
        let hosts = layout.hosts.iter().map(|(_, names)| names.len()).max().unwrap_or(0);
        domains
            .iter()
            .map(|domain| Self::Domain(domain.as_str()))
            .chain((0..hosts).map(|number| Self::Hosts(&layout.hosts, number)))
            .chain(layout.single.iter().map(|host| Self::Single(host.as_str())))
    }

    /// The host of `service`; of fewer names than its neighbours have, the last is shared. Lower case where it is
    /// configured, as asked for otherwise.
    #[must_use]
    pub fn host(&self, service: ServiceName) -> String {
        match self {
            Self::Domain(domain) => format!("{service}.{domain}"),
            Self::Hosts(hosts, number) => {
                let names = hosts.get(service);
                names.get(*number).or(names.last()).map(ToString::to_string).unwrap_or_default()
            }
            Self::Single(host) => (*host).to_owned(),
        }
    }

    /// Where `service` is reached over https, without a final slash: `https://clearml.corp:8443/files`.
    #[must_use]
    pub fn url(&self, service: ServiceName, port: u16) -> String {
        let path = match (self, service) {
            (Self::Single(_), ServiceName::Api) => "/api",
            (Self::Single(_), ServiceName::Files) => "/files",
            _ => "",
        };
        format!("{}{path}", https_origin(&self.host(service), port))
    }

    /// The three URLs.
    #[must_use]
    pub fn urls(&self, port: u16) -> PerService<String> {
        PerService::<()>::default().map(|service, ()| self.url(service, port))
    }

    /// What stands behind the first labels of its three hosts; `None` where there is nothing in common.
    #[must_use]
    pub fn parent(&self) -> Option<String> {
        match self {
            Self::Domain(domain) => Some((*domain).to_owned()),
            Self::Single(_) => None,
            Self::Hosts(..) => {
                let [app, api, files] = ServiceName::ALL.map(|service| self.host(service));
                common_parent(&common_parent(&app, &api)?, &files)
            }
        }
    }

    /// What people call it: the domain, or the name of its web UI.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Domain(domain) => (*domain).to_owned(),
            Self::Hosts(..) | Self::Single(_) => self.host(ServiceName::App),
        }
    }
}

/// Whether `host`, in any case, is `name`; nearly always it is written as that is.
fn is_same(name: &HostName, host: &str) -> bool {
    name.as_str() == host || name.as_str().eq_ignore_ascii_case(host)
}

/// The labels at the end that both names have.
fn common_parent(one: &str, other: &str) -> Option<String> {
    let pairs = one.rsplit('.').zip(other.rsplit('.'));
    let mut labels = pairs.take_while(|(one, other)| one == other).map(|(label, _)| label).collect::<Vec<_>>();
    labels.reverse();
    (!labels.is_empty()).then(|| labels.join("."))
}

const PATH_ROOM: usize = 128;

/// `https://host` in lower case, with the port where it is not 443.
#[must_use]
pub fn https_origin(host: &str, port: u16) -> String {
    const SCHEME: &str = "https://";
    // With room for the path that most callers put behind it: redirects are written for every plain request.
    let mut origin = String::with_capacity(SCHEME.len() + host.len() + PATH_ROOM);
    origin.push_str(SCHEME);
    origin.push_str(host);
    origin.make_ascii_lowercase();
    if port != 443 {
        origin.push(':');
        origin.push_str(&port.to_string());
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| HostName::parse(name).unwrap()).collect()
    }

    fn layout() -> Layout {
        Layout {
            domains: Domains::Listed(names(&["clearml.example.com"])),
            hosts: PerService {
                app: names(&["ml.corp", "ml.example.org"]),
                api: names(&["ml-api.corp", "ml-api.example.org"]),
                files: names(&["ml-files.corp"]),
            },
            single: names(&["one.corp"]),
        }
    }

    #[test]
    fn each_entrance_has_three_urls() {
        let layout = layout();
        let urls = |host| Entrance::of(&layout, host).unwrap().0.urls(443);
        let three = |app: &str, api: &str, files: &str| PerService {
            app: format!("https://{app}"),
            api: format!("https://{api}"),
            files: format!("https://{files}"),
        };
        let below = three("app.clearml.example.com", "api.clearml.example.com", "files.clearml.example.com");
        assert_eq!(urls("API.ClearML.example.com"), below);
        assert_eq!(urls("ml-api.corp"), three("ml.corp", "ml-api.corp", "ml-files.corp"));
        assert_eq!(urls("ml.example.org"), three("ml.example.org", "ml-api.example.org", "ml-files.corp"));
        assert_eq!(urls("One.corp"), three("one.corp", "one.corp/api", "one.corp/files"));
    }

    #[test]
    fn hosts_have_the_labels_in_common_at_their_end() {
        for (one, other, common) in [
            ("ml.x.org", "api.x.org", Some("x.org")),
            ("ml.x.org", "api.ml.x.org", Some("ml.x.org")),
            ("x.org", "notx.org", Some("org")),
            ("a.corp", "b.local", None),
        ] {
            assert_eq!(common_parent(one, other).as_deref(), common, "{one} {other}");
        }
    }

    #[test]
    fn other_ports_are_named() {
        let layout = layout();
        let (entrance, service) = Entrance::of(&layout, "one.corp").unwrap();
        assert_eq!(entrance.url(ServiceName::Files, 8443), "https://one.corp:8443/files");
        assert_eq!(service, ServiceName::App);
    }

    #[test]
    fn entrances_are_listed_in_order_and_by_name() {
        let layout = layout();
        let all = Entrance::all(&layout).map(|entrance| entrance.name()).collect::<Vec<_>>();
        assert_eq!(all, ["clearml.example.com", "ml.corp", "ml.example.org", "one.corp"]);
        assert_eq!(Entrance::all(&Layout::below(Domains::Any)).count(), 0);
    }
}
