//! The https ports: names to addresses, connections, and what certificate is shown.

use super::super::client::{Ask, PATIENCE, ask_plain, target_host};
use super::super::evidence::{Door, TlsSeen, TlsTrouble};
use super::super::finding::Skipped;
use super::super::url::Url;
use super::Plan;
use crate::domain::names::ServiceName;
use crate::runtime::{Deadline, wall};
use crate::telemetry::TlsFailure;
use crate::tls::{Authorities, ClientTls, SeenChain, describe_handshake_error};
use crate::upstream::{ConnectError, open_at, secure};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Looks at each name and port once.
pub(super) async fn knock(plan: &Plan, tls: &ClientTls, skipped: &mut Vec<Skipped>) -> Vec<Door> {
    let trust = Trust::load(plan, skipped);
    let mut doors: Vec<Door> = Vec::new();
    for service in ServiceName::ALL {
        let url = plan.urls.get(service);
        if doors.iter().all(|door| (door.host.as_str(), door.port) != (url.host.as_str(), url.port)) {
            doors.push(door(plan, tls, url, &trust).await);
        }
    }
    doors
}

async fn door(plan: &Plan, tls: &ClientTls, url: &Url, trust: &Trust) -> Door {
    let addresses = addresses(plan, &url.host).await;
    let mut door = Door { host: url.host.clone(), port: url.port, addresses, reached: None, tls: None };
    for ip in door.addresses.iter().flatten().take(ADDRESSES_MAX) {
        let addr = SocketAddr::new(*ip, url.port);
        let deadline = Deadline::after(PATIENCE);
        let stream = match open_at(addr, deadline).await {
            Ok(stream) => stream,
            Err(error) => {
                door.reached = Some(Err(error.to_string()));
                continue;
            }
        };
        door.reached = Some(Ok(addr));
        door.tls = Some(match secure(stream, addr, &target_host(&url.host), tls, deadline).await {
            Ok(stream) => Ok(trust.judge(&SeenChain::of(stream.get_ref().1), &url.host)),
            Err(error) => Err(trouble(&error, addr, &url.host).await),
        });
        break;
    }
    door
}

async fn trouble(error: &ConnectError, addr: SocketAddr, host: &str) -> TlsTrouble {
    let plain = match error {
        ConnectError::Tls(_, inner) => describe_handshake_error(inner).reason == TlsFailure::NotTls,
        _ => false,
    };
    // Some servers wait for the end of a line that TLS never sends.
    let plain = plain || ask_plain(addr, host, Ask::get("/")).await.is_ok();
    TlsTrouble { plain, text: error.to_string() }
}

/// The addresses of a name: those that were given for it, else the system's.
pub(super) async fn addresses(plan: &Plan, host: &str) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = host.parse() {
        return Ok(vec![ip]);
    }
    let given = plan.resolve.iter().find(|(name, _)| name == "*" || name.eq_ignore_ascii_case(host));
    let found = match given {
        Some((_, addresses)) => addresses.clone(),
        None => match Deadline::after(PATIENCE).bound(tokio::net::lookup_host((host, 0))).await {
            Some(Ok(found)) => found.map(|addr| addr.ip()).collect(),
            Some(Err(error)) => return Err(error.to_string()),
            None => return Err(String::from("the look-up took too long")),
        },
    };
    if found.is_empty() { Err(String::from("the name has no address")) } else { Ok(found) }
}

/// Who is believed.
struct Trust {
    public: Authorities,
    given: Vec<Authorities>,
    system: Vec<Authorities>,
}

impl Trust {
    fn load(plan: &Plan, skipped: &mut Vec<Skipped>) -> Self {
        let mut load = |files: &[PathBuf]| {
            let mut loaded = Vec::new();
            for file in files.iter().filter(|file| file.exists()) {
                match Authorities::load(file) {
                    Ok(authorities) => loaded.push(authorities),
                    Err(error) => skipped.push(Skipped { what: "authority file", why: error.to_string() }),
                }
            }
            loaded
        };
        let (given, system) = (load(&plan.authorities), load(&plan.system_authorities));
        Self { public: Authorities::public(), given, system }
    }

    fn judge(&self, chain: &SeenChain, host: &str) -> TlsSeen {
        let now = wall();
        let trusted = |authorities: &Authorities| chain.untrusted(authorities, now).is_none();
        let untrusted = chain.untrusted(&self.public, now).filter(|_| !self.given.iter().any(trusted));
        let system_only = untrusted.is_some() && self.system.iter().any(trusted);
        let untrusted = untrusted.filter(|_| !system_only);
        let faults = [chain.out_of_date(now), chain.lacks_name(host), untrusted];
        TlsSeen { faults: faults.into_iter().flatten().collect(), system_only, not_after: chain.not_after() }
    }
}
