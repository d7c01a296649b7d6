//! Looking until servers show the records, so that the authority does not look too early: a failed look counts there.

use super::error::DnsError;
use super::record::DnsRecord;
use super::wire::{Place, ask, locate};
use crate::domain::addr::{TargetAddr, TargetHost};
use crate::domain::names::HostName;
use crate::domain::settings::{DnsSettings, NameServer};
use crate::runtime::Deadline;
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::IpAddr;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// The system's resolvers, one a line.
const RESOLV_CONF: &str = "/etc/resolv.conf";

const DNS_PORT: u16 = 53;

/// One question that is asked until it has the right answer.
struct Watched<'a> {
    server: NameServer,
    recurse: bool,
    name: Name,
    record: &'a DnsRecord,
    /// What it said last.
    said: String,
}

/// Waits until every server shows every record.
pub(super) async fn await_shown(settings: &DnsSettings, records: &[DnsRecord]) -> Result<(), DnsError> {
    let deadline = Deadline::after(settings.propagation_timeout);
    let mut watched = Vec::new();
    for record in records {
        let name = record.fqdn()?;
        for (server, recurse, name) in servers(settings, &name).await? {
            watched.push(Watched { server, recurse, name, record, said: String::from("it was not asked in time") });
        }
    }
    loop {
        let mut missing = Vec::new();
        for mut each in watched {
            match deadline.bound(look(&each)).await {
                Some(Ok(())) => continue,
                Some(Err(said)) => each.said = said,
                None => {}
            }
            missing.push(each);
        }
        if missing.is_empty() {
            return Ok(());
        }
        if deadline.passed() {
            let told = missing.iter().map(|each| format!("{} at {}: {}", each.record.name, each.server, each.said));
            return Err(DnsError::Unseen(told.collect()));
        }
        watched = missing;
        deadline.or_after(PAUSE).wait().await;
    }
}

async fn look(watched: &Watched<'_>) -> Result<(), String> {
    let answer = ask(&watched.server, &watched.name, RecordType::TXT, watched.recurse).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let texts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    });
    let texts = texts.collect::<Vec<_>>();
    match texts.iter().any(|text| text == watched.record.value.as_bytes()) {
        true => Ok(()),
        false if texts.is_empty() => Err(String::from("it shows no record of this name")),
        false => Err(format!("it shows {} other records of this name", texts.len())),
    }
}

/// Who has to show the record, and under which name: those that are configured, else the servers of its zone.
async fn servers(settings: &DnsSettings, name: &Name) -> Result<Vec<(NameServer, bool, Name)>, DnsError> {
    if !settings.resolvers.is_empty() {
        return Ok(settings.resolvers.iter().map(|server| (server.clone(), true, name.clone())).collect());
    }
    let ours = settings.servers.iter().map(|server| (server.clone(), false));
    let theirs = resolvers(settings).into_iter().map(|server| (server, true));
    let mut last = DnsError::NoZone(name.to_string());
    for (server, recurse) in ours.chain(theirs) {
        match locate(&server, name, recurse).await {
            Ok(Some(place)) => {
                let mut found = of_zone(&server, recurse, &place).await;
                if !recurse {
                    found.push(server);
                }
                return match found.is_empty() {
                    true => Err(DnsError::NobodyToAsk),
                    false => Ok(found.into_iter().map(|server| (server, false, place.name.clone())).collect()),
                };
            }
            Ok(None) => {}
            Err(error) => last = DnsError::Server(server, error),
        }
    }
    Err(last)
}

/// The servers that the zone names, but for those whose names lead nowhere from here.
async fn of_zone(server: &NameServer, recurse: bool, place: &Place) -> Vec<NameServer> {
    let answer = match ask(server, &place.zone, RecordType::NS, recurse).await {
        Ok(answer) => answer,
        Err(error) => {
            tracing::debug!(%server, zone = %place.zone, %error, "the servers of the zone are not known");
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for record in &answer.answers {
        let RData::NS(name) = &record.data else { continue };
        let text = name.0.to_ascii();
        let Ok(host) = HostName::parse(text.trim_end_matches('.')) else { continue };
        if let Err(error) = tokio::net::lookup_host((host.as_str(), DNS_PORT)).await {
            tracing::debug!(server = %host, %error, "a server of the zone has no address here; it is not asked");
            continue;
        }
        found.push(NameServer(TargetAddr { tls: false, host: TargetHost::Name(host), port: DNS_PORT }));
    }
    found
}

/// Who knows other people's zones: those that are configured, else the system's.
pub(super) fn resolvers(settings: &DnsSettings) -> Vec<NameServer> {
    if !settings.resolvers.is_empty() {
        return settings.resolvers.clone();
    }
    listed(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn listed(text: &str) -> Vec<NameServer> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok());
    addresses.map(|ip| NameServer(TargetAddr { tls: false, host: TargetHost::Ip(ip), port: DNS_PORT })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_resolvers() {
        let text = "# x\nsearch a b\nnameserver 10.0.0.1\n nameserver\t2001:db8::1 # y\nnameserver fe80::1%eth0\nnameservers 1\n";
        let found = listed(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found, ["10.0.0.1:53", "[2001:db8::1]:53"]);
    }
}
