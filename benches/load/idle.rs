//! Connections that stay open without a request.

use crate::Failure;
use crate::ask::Ask;
use crate::dial::{Dialer, Link};
use crate::http1::Exchange;
use crate::tally::Tally;
use crate::work::{Amount, Work};
use serde_json::json;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Connections that are being opened at the same time.
const LANES: usize = 16;

/// Opens the connections, asks once on each and says so; after a line on standard input asks again on each, so that
/// one that did not survive shows.
pub(crate) async fn hold(dialer: Arc<Dialer>, ask: Arc<Ask>, amount: Amount) -> Result<Tally, Failure> {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut links = open(&dialer, &ask, &amount, &mut tally).await?;
    println!("{}", json!({ "open": links.len() }));
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    let mut exchange = Exchange::new(&ask, &dialer.aim.host);
    for link in &mut links {
        let begin = Instant::now();
        exchange.run(&ask, link).await?;
        tally.answer(begin);
    }
    tally.ended(begin);
    Ok(tally)
}

async fn open(dialer: &Arc<Dialer>, ask: &Arc<Ask>, amount: &Amount, tally: &mut Tally) -> Result<Vec<Link>, Failure> {
    let work = Arc::new(Work::new(amount.connections));
    let mut lanes = JoinSet::new();
    for _ in 0..LANES {
        let (dialer, ask, work) = (Arc::clone(dialer), Arc::clone(ask), Arc::clone(&work));
        lanes.spawn(async move {
            let (mut tally, mut links) = (Tally::default(), Vec::new());
            let mut exchange = Exchange::new(&ask, &dialer.aim.host);
            while work.take() {
                let mut link = dialer.dial(&mut tally).await?;
                exchange.run(&ask, &mut link).await?;
                links.push(link);
            }
            Ok::<_, Failure>((tally, links))
        });
    }
    let mut all = Vec::new();
    while let Some(lane) = lanes.join_next().await {
        let (counts, links) = lane??;
        tally.add(counts);
        all.extend(links);
    }
    Ok(all)
}
