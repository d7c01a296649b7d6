//! Requests over HTTP/1.1, written and read by hand so that the client costs little.

use crate::Failure;
use crate::ask::{Ask, BLOCK};
use crate::dial::{Dialer, Link};
use crate::tally::Tally;
use crate::work::{Amount, Pace, Work};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

/// The largest head of an answer.
const HEAD_MAX: usize = 16 * 1024;
/// Room for reading, in bytes.
const READ_ROOM: usize = 128 * 1024;

/// Makes all requests and checks all answers.
pub(crate) async fn drive(dialer: Arc<Dialer>, ask: Arc<Ask>, amount: Amount) -> Result<Tally, Failure> {
    let work = Arc::new(Work::new(amount.requests));
    let begin = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in 0..amount.connections {
        let pace = Pace::new(begin, &amount, lane);
        lanes.spawn(run_lane(Arc::clone(&dialer), Arc::clone(&ask), Arc::clone(&work), pace, amount.fresh));
    }
    let mut tally = Tally::default();
    while let Some(lane) = lanes.join_next().await {
        tally.add(lane??);
    }
    tally.ended(begin);
    Ok(tally)
}

async fn run_lane(
    dialer: Arc<Dialer>,
    ask: Arc<Ask>,
    work: Arc<Work>,
    mut pace: Pace,
    fresh: bool,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    let mut kept = None;
    let mut exchange = Exchange::new(&ask, &dialer.aim.host);
    while work.take() {
        let begin = pace.turn().await;
        let mut link = match kept.take() {
            Some(link) => link,
            None => dialer.dial(&mut tally).await?,
        };
        exchange.run(&ask, &mut link).await?;
        tally.answer(begin);
        if fresh {
            // The peer may have closed first.
            drop(link.shutdown().await);
        } else {
            kept = Some(link);
        }
    }
    Ok(tally)
}

/// A request as bytes, and room to read its answer.
pub(crate) struct Exchange {
    /// The head; with the body where that is small.
    opening: Vec<u8>,
    /// What follows: before the large body's bytes, their number, behind them.
    large: Option<(Bytes, u64, Bytes)>,
    room: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(ask: &Ask, host: &str) -> Self {
        let mut opening = ask.head(host).into_bytes();
        let (before, behind) = ask.wrapping();
        let small = usize::try_from(ask.body)
            .ok()
            .and_then(|length| BLOCK.get(..length))
            .filter(|body| body.len() <= 16 * 1024);
        let large = match small {
            Some(body) => {
                opening.extend_from_slice(&[&before, body, &behind].concat());
                None
            }
            None => Some((before, ask.body, behind)),
        };
        Self { opening, large, room: Vec::new() }
    }

    /// One request and its answer.
    pub(crate) async fn run(&mut self, ask: &Ask, link: &mut Link) -> Result<(), Failure> {
        link.write_all(&self.opening).await?;
        if let Some((before, mut left, behind)) = self.large.clone() {
            link.write_all(&before).await?;
            while left > 0 {
                let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ask.piece).min(BLOCK.len());
                link.write_all(BLOCK.get(..piece).unwrap_or_default()).await?;
                left -= piece as u64;
            }
            link.write_all(&behind).await?;
        }
        link.flush().await?;
        self.answer(ask, link).await
    }

    async fn answer(&mut self, ask: &Ask, link: &mut Link) -> Result<(), Failure> {
        self.room.resize(READ_ROOM, 0);
        let mut filled = 0;
        let (head, status, length) = loop {
            let read = link.read(self.room.get_mut(filled..).unwrap_or_default()).await?;
            if read == 0 || filled > HEAD_MAX {
                return Err("the connection ended in the head of an answer".into());
            }
            filled += read;
            if let Some(head) = parse(self.room.get(..filled).unwrap_or_default())? {
                break head;
            }
        };
        let beginning = self.room.get(head..filled).unwrap_or_default().to_vec();
        let mut left = length.checked_sub(beginning.len() as u64).ok_or("more bytes than the answer has")?;
        let (mut whole, begin) = (beginning, Instant::now());
        while left > 0 {
            if let Some(due) = ask.due(begin, length - left) {
                tokio::time::sleep_until(due.into()).await;
            }
            let read = link.read(&mut self.room).await?;
            left = left.checked_sub(read as u64).filter(|_| read > 0).ok_or("an answer of another length")?;
            if length <= 64 {
                whole.extend_from_slice(self.room.get(..read).unwrap_or_default());
            }
        }
        ask.check(status, length, &whole)
    }
}

/// Length of the head, status, length of the body; `None` while the head is not complete.
fn parse(bytes: &[u8]) -> Result<Option<(usize, u16, u64)>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = answer.parse(bytes)? else { return Ok(None) };
    let length = answer.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer without a length")?;
    Ok(Some((head, answer.code.unwrap_or_default(), std::str::from_utf8(length.value)?.trim().parse()?)))
}
