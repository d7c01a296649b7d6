//! Messages of the DNS to a server and back, over TCP: nothing is cut short there, and nobody off the path can answer.

use crate::domain::settings::NameServer;
use crate::runtime::Deadline;
use crate::upstream::{ConnectError, open_plain};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::fmt;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// For one question and its answer.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Aliases followed from one name.
const ALIASES_MAX: usize = 8;

/// Why a server's answer is not there.
#[derive(Debug)]
pub(in super::super) enum WireError {
    Connect(ConnectError),
    Broken(io::Error),
    /// What came is no answer to what was asked.
    Unreadable(String),
    Refused(ResponseCode),
    Late,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Unreadable(what) => write!(f, "its answer cannot be read: {what}"),
            Self::Refused(code) => write!(f, "it answered {code}"),
            Self::Late => write!(f, "no answer within {} s", ANSWER_WAIT.as_secs()),
        }
    }
}

/// Sends `message` to `server`; the bytes of its answer, which has the same number.
pub(super) async fn exchange(server: &NameServer, message: &[u8]) -> Result<Vec<u8>, WireError> {
    let deadline = Deadline::after(ANSWER_WAIT);
    let mut stream = open_plain(&server.0, deadline).await.map_err(|error| match error {
        ConnectError::Deadline => WireError::Late,
        error => WireError::Connect(error),
    })?;
    let length = u16::try_from(message.len()).map_err(|_| WireError::Unreadable("the question is too long".into()))?;
    let answer = deadline.bound(async {
        stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; length.into()];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    });
    let answer: Vec<u8> = answer.await.ok_or(WireError::Late)?.map_err(WireError::Broken)?;
    match answer.get(..2) == message.get(..2) {
        true => Ok(answer),
        false => Err(WireError::Unreadable(String::from("it has another number than the question"))),
    }
}

/// What `server` knows of `name`; "there is no such name" is an answer as well.
pub(super) async fn ask(
    server: &NameServer,
    name: &Name,
    kind: RecordType,
    recurse: bool,
) -> Result<Message, WireError> {
    let mut message = Message::query();
    message.metadata.recursion_desired = recurse;
    message.add_query(Query::query(name.clone(), kind));
    let bytes = message.to_vec().map_err(|error| WireError::Unreadable(error.to_string()))?;
    let answer = exchange(server, &bytes).await?;
    let answer = Message::from_vec(&answer).map_err(|error| WireError::Unreadable(error.to_string()))?;
    match answer.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
        code => Err(WireError::Refused(code)),
    }
}

/// Where a record really goes: behind all aliases, and in which zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: Name,
    pub(super) zone: Name,
}

/// Asks `server` for it; `None` when it does not know.
pub(super) async fn locate(server: &NameServer, name: &Name, recurse: bool) -> Result<Option<Place>, WireError> {
    let mut name = name.clone();
    for _ in 0..ALIASES_MAX {
        let answer = ask(server, &name, RecordType::SOA, recurse).await?;
        let behind = behind_aliases(&name, &answer.answers);
        let begins = |record: &&Record| record.record_type() == RecordType::SOA && record.name.zone_of(&behind);
        let zone = answer.answers.iter().chain(&answer.authorities).find(begins).map(|record| record.name.clone());
        match zone {
            Some(zone) => return Ok(Some(Place { name: behind, zone })),
            None if behind == name => return Ok(None),
            None => name = behind,
        }
    }
    Ok(None)
}

fn behind_aliases(name: &Name, answers: &[Record]) -> Name {
    let mut name = name;
    for _ in 0..ALIASES_MAX {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(alias) if record.name == *name => Some(&alias.0),
            _ => None,
        });
        match alias {
            Some(alias) => name = alias,
            None => break,
        }
    }
    name.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::rdata::CNAME;

    #[test]
    fn aliases_are_followed_and_circles_end() {
        let name = |text: &str| Name::from_ascii(text).unwrap();
        let alias = |from: &str, to: &str| Record::from_rdata(name(from), 5, RData::CNAME(CNAME(name(to))));
        let answers = [alias("b.", "c."), alias("a.", "b.")];
        assert_eq!(behind_aliases(&name("a."), &answers), name("c."));
        assert_eq!(behind_aliases(&name("x."), &answers), name("x."));
        let circle = [alias("a.", "b."), alias("b.", "a.")];
        assert!([name("a."), name("b.")].contains(&behind_aliases(&name("a."), &circle)));
    }
}
