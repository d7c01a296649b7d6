//! Signed updates of a zone.
//!
//! Source: RFC 2136; RFC 8945 for the signatures.

use super::error::DnsError;
use super::key;
use super::look::resolvers;
use super::record::DnsRecord;
use super::wire::{Place, WireError, exchange, locate};
use crate::domain::settings::{DnsSettings, NameServer};
use crate::runtime::wall;
use hickory_proto::op::{Message, ResponseCode, update_message};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData, Record, RecordSet, TSigner};
use std::time::UNIX_EPOCH;

/// Seconds that resolvers may keep a record: the next attempt has another one.
const TTL: u32 = 30;

/// What is done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Added beside others of the same name.
    Put,
    /// That one alone is removed.
    TakeBack,
}

/// Changes `record` at the first server of `settings` that can be reached.
pub(super) async fn update(settings: &DnsSettings, change: Change, record: &DnsRecord) -> Result<(), DnsError> {
    let file = settings.key_file.as_deref().unwrap_or(std::path::Path::new(""));
    let key = key::load(file).map_err(|error| DnsError::Key(file.to_owned(), error))?;
    let place = place(settings, record).await?;
    let text = TXT::new(vec![record.value.clone()]);
    let set = || RecordSet::from(Record::from_rdata(place.name.clone(), TTL, RData::TXT(text.clone())));
    let mut unreachable = None;
    for server in &settings.servers {
        let message = match change {
            Change::Put => update_message::append(set(), place.zone.clone(), false, false),
            Change::TakeBack => update_message::delete_by_rdata(set(), place.zone.clone(), false),
        };
        match signed(server, message, &key).await {
            Err(error @ DnsError::Server(_, WireError::Connect(_) | WireError::Late)) => unreachable = Some(error),
            done => return done,
        }
    }
    Err(unreachable.unwrap_or(DnsError::NobodyToAsk))
}

/// Where the record goes: the server knows, else a resolver does.
async fn place(settings: &DnsSettings, record: &DnsRecord) -> Result<Place, DnsError> {
    let name = record.fqdn()?;
    let zone = settings.zone.as_ref().and_then(|zone| Name::from_ascii(format!("{zone}.")).ok());
    if let Some(zone) = zone.as_ref().filter(|zone| zone.zone_of(&name)) {
        return Ok(Place { name, zone: zone.clone() });
    }
    let mut last = DnsError::NoZone(record.name.clone());
    let ours = settings.servers.iter().map(|server| (server.clone(), false));
    for (server, recurse) in ours.chain(resolvers(settings).into_iter().map(|server| (server, true))) {
        match locate(&server, &name, recurse).await {
            Ok(Some(place)) => match &zone {
                Some(zone) if zone.zone_of(&place.name) => return Ok(Place { zone: zone.clone(), ..place }),
                Some(_) => last = DnsError::NoZone(record.name.clone()),
                None => return Ok(place),
            },
            Ok(None) => {}
            Err(error) => last = DnsError::Server(server, error),
        }
    }
    Err(last)
}

/// Sends one update; only an answer that is signed as well counts as done.
async fn signed(server: &NameServer, mut message: Message, key: &TSigner) -> Result<(), DnsError> {
    let unreadable = |what: String| DnsError::Server(server.clone(), WireError::Unreadable(what));
    let now = wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let verifier = message.finalize(key, now).map_err(|error| unreadable(error.to_string()))?;
    let bytes = message.to_vec().map_err(|error| unreadable(error.to_string()))?;
    let answer = exchange(server, &bytes).await.map_err(|error| DnsError::Server(server.clone(), error))?;
    let told = Message::from_vec(&answer).map_err(|error| unreadable(error.to_string()))?;
    if told.response_code != ResponseCode::NoError {
        let why =
            told.signature().and_then(|signature| signature.data.error.as_ref()).map(|error| format!("{error:?}"));
        return Err(DnsError::Refused { server: server.clone(), code: told.response_code, why });
    }
    // Without its signature, somebody else may have said so.
    let mut verifier = verifier.ok_or_else(|| unreadable(String::from("the update was not signed")))?;
    verifier.verify(&answer).map(drop).map_err(|error| unreadable(format!("its signature does not fit: {error}")))
}
