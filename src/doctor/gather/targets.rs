//! The services behind the proxy: asked straight, and past the proxy.

use super::super::client::{ANSWER_PATIENCE, Ask, PATIENCE, ask_plain};
use super::super::evidence::{Answer, Door, Evidence, Heard, PlainPort, TargetSeen, Unheard};
use super::super::finding::Skipped;
use super::{Plan, doors};
use crate::clearml::{
    PUBLISHED_KEYS, PUBLISHED_SECRETS, SHORT_LOGIN, TOKEN_QUESTION, bearer, lets_in, refused_for_age,
};
use crate::domain::addr::{TargetAddr, TargetHost};
use crate::domain::names::ServiceName;
use crate::domain::settings::ProbeSettings;
use crate::runtime::{Deadline, wall};
use crate::tls::ClientTls;
use crate::upstream::open_tls;
use http::header::AUTHORIZATION;
use std::net::SocketAddr;
use std::path::Path;

/// Asks each target what its service answers, and, where it does not, what the others do.
pub(super) async fn look(plan: &Plan, skipped: &mut Vec<Skipped>) -> Vec<TargetSeen> {
    let mut seen = Vec::new();
    for (service, addr, ca) in &plan.targets {
        if is_of_a_network(plan, addr).await {
            let why = format!(
                "{addr}: this machine does not know the name, as it is with those of a compose network; ask from inside: \
                 docker compose exec clearway clearway doctor"
            );
            skipped.push(Skipped { what: "target", why });
            continue;
        }
        let answer = ask_target(plan, addr, ca.as_deref(), Ask::get(ProbeSettings::of(*service).path)).await;
        let mut kind = answer.as_ref().ok().and_then(Heard::kind);
        if kind.is_none() && answer.is_ok() {
            for path in ["/debug.ping", "/"] {
                let other = ask_target(plan, addr, ca.as_deref(), Ask::get(path)).await;
                kind = kind.or_else(|| other.ok().as_ref().and_then(Heard::kind));
            }
        }
        seen.push(TargetSeen { service: *service, addr: addr.to_string(), answer, kind });
    }
    seen
}

/// Whether it is a name of one label that nobody here knows: those of containers are known among them alone.
async fn is_of_a_network(plan: &Plan, addr: &TargetAddr) -> bool {
    match &addr.host {
        TargetHost::Name(name) if !name.as_str().contains('.') => doors::addresses(plan, name.as_str()).await.is_err(),
        TargetHost::Name(_) | TargetHost::Ip(_) => false,
    }
}

/// One question to a target. Of one behind TLS it is only seen whether the handshake works: the probes of a running
/// proxy ask it.
async fn ask_target(plan: &Plan, addr: &TargetAddr, ca: Option<&Path>, ask: Ask) -> Answer {
    let unreachable = |why: String| Unheard::Unreachable(why);
    if addr.tls {
        let tls = ca.map_or_else(
            || ClientTls::public().map_err(|error| error.to_string()),
            |ca| ClientTls::load(ca).map_err(|error| error.to_string()),
        );
        let opened = open_tls(addr, &tls.map_err(unreachable)?, Deadline::after(PATIENCE)).await;
        return opened.map(|_| Heard { at: Some(wall()), ..Heard::default() }).map_err(|e| unreachable(e.to_string()));
    }
    let at = socket_addr(plan, addr).await.map_err(unreachable)?;
    ask_plain(at, &addr.authority(), ask).await
}

async fn socket_addr(plan: &Plan, addr: &TargetAddr) -> Result<SocketAddr, String> {
    let ip = match &addr.host {
        TargetHost::Ip(ip) => *ip,
        TargetHost::Name(name) => {
            let found = doors::addresses(plan, name.as_str()).await?;
            found.first().copied().ok_or_else(|| String::from("the name has no address"))?
        }
    };
    Ok(SocketAddr::new(ip, addr.port))
}

/// Looks for ClearML's own ports at the public addresses.
pub(super) async fn past_the_proxy(plan: &Plan, doors: &[Door]) -> Vec<PlainPort> {
    let mut targets = Vec::new();
    for (_, addr, _) in &plan.targets {
        targets.extend(socket_addr(plan, addr).await);
    }
    let mut ips = doors.iter().filter_map(|door| door.addresses.as_ref().ok()).flatten().collect::<Vec<_>>();
    ips.sort_unstable();
    ips.dedup();
    let mut found = Vec::new();
    for ip in ips {
        for port in &plan.plain_ports {
            let addr = SocketAddr::new(*ip, *port);
            let is_door = doors.iter().any(|door| door.port == *port);
            // Where the name leads to the very address that the proxy uses, nothing is past it.
            if is_door || targets.contains(&addr) {
                continue;
            }
            for path in ["/debug.ping", "/"] {
                let Ok(heard) = ask_plain(addr, &addr.to_string(), Ask::get(path)).await else { break };
                if let Some(kind) = heard.kind() {
                    found.push(PlainPort { addr, kind });
                    break;
                }
            }
        }
    }
    found
}

/// Tries what ClearML publishes at the API server itself. The tokens it gives end after a second, and nobody is locked
/// out by the failures, because they do not pass the proxy.
pub(super) async fn try_published(plan: &Plan, evidence: &mut Evidence, skipped: &mut Vec<Skipped>) {
    let what = "published logins";
    let is_api = |addr: &TargetAddr| {
        evidence.targets.iter().any(|seen| seen.kind == Some(ServiceName::Api) && seen.addr == addr.to_string())
    };
    let Some((_, addr, _)) =
        plan.targets.iter().find(|(service, addr, _)| *service == ServiceName::Api && is_api(addr))
    else {
        skipped.push(Skipped { what, why: String::from("no target of the API answers here") });
        return;
    };
    let deadline = Deadline::after(ANSWER_PATIENCE * 2);
    let asked = async {
        let mut keys = Vec::new();
        for pair in PUBLISHED_KEYS {
            let ask = Ask::get("/v2.1/auth.login").json(SHORT_LOGIN).field(AUTHORIZATION, pair.authorization());
            let heard = ask_target(plan, addr, None, ask).await?;
            if lets_in(heard.status, &heard.body) {
                keys.push((pair.name, pair.remedy));
            }
        }
        let mut found = None;
        for secret in PUBLISHED_SECRETS {
            let ask = Ask::get(TOKEN_QUESTION).field(AUTHORIZATION, bearer(&secret.ended_token()));
            let heard = ask_target(plan, addr, None, ask).await?;
            if refused_for_age(heard.status, &heard.body) {
                found = Some(secret.name);
            }
        }
        Ok::<_, Unheard>((keys, found))
    };
    match deadline.bound(asked).await {
        Some(Ok((keys, secret))) => {
            evidence.published_keys = keys;
            evidence.published_secret = secret;
        }
        Some(Err(_)) | None => skipped.push(Skipped { what, why: String::from("the API server did not answer all") }),
    }
}
