//! Requests over HTTP/2.

use crate::Failure;
use crate::ask::{Ask, BLOCK};
use crate::dial::{Dialer, Link};
use crate::tally::Tally;
use crate::work::{Amount, Pace, Work};
use bytes::Bytes;
use clap::Parser;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Windows as Chromium has them, in bytes.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 15 * 1024 * 1024;

/// Files of a page, and how many are asked for at the same time.
const PAGE_FILES: u64 = 190;
const PAGE_STREAMS: u64 = 100;
/// Sizes of a page's files, in turn.
const FILE_SIZES: [u64; 6] = [600, 1_400, 2_500, 900, 6_000, 16_000];

/// Makes all requests and checks all answers.
pub(crate) async fn drive(dialer: Arc<Dialer>, ask: Arc<Ask>, amount: Amount, streams: u64) -> Result<Tally, Failure> {
    let work = Arc::new(Work::new(amount.requests));
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut lanes = JoinSet::new();
    for connection in 0..amount.connections {
        let sender = open(&dialer, &mut tally).await?;
        for stream in 0..streams {
            let pace = Pace::new(begin, &amount, connection + stream);
            lanes.spawn(run_lane(sender.clone(), Arc::clone(&dialer), Arc::clone(&ask), Arc::clone(&work), pace));
        }
    }
    while let Some(lane) = lanes.join_next().await {
        tally.add(lane??);
    }
    tally.ended(begin);
    Ok(tally)
}

async fn run_lane(
    mut sender: SendRequest<Bytes>,
    dialer: Arc<Dialer>,
    ask: Arc<Ask>,
    work: Arc<Work>,
    mut pace: Pace,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    while work.take() {
        let begin = pace.turn().await;
        sender = exchange(sender, &ask, &dialer.aim.host).await?;
        tally.answer(begin);
    }
    Ok(tally)
}

/// Loads pages; each wait in the tally is that of a whole page, its handshake included.
pub(crate) async fn load_pages(dialer: Arc<Dialer>, amount: Amount) -> Result<Tally, Failure> {
    let work = Arc::new(Work::new(amount.requests));
    let files = Arc::new(page_files()?);
    let begin = Instant::now();
    let mut browsers = JoinSet::new();
    for _ in 0..amount.connections {
        let (dialer, work, files) = (Arc::clone(&dialer), Arc::clone(&work), Arc::clone(&files));
        browsers.spawn(async move {
            let mut tally = Tally::default();
            while work.take() {
                let begin = Instant::now();
                load_page(&dialer, &files, &mut tally).await?;
                tally.answer(begin);
            }
            Ok::<_, Failure>(tally)
        });
    }
    let mut tally = Tally::default();
    while let Some(browser) = browsers.join_next().await {
        tally.add(browser??);
    }
    tally.ended(begin);
    Ok(tally)
}

fn page_files() -> Result<Vec<Ask>, Failure> {
    #[derive(clap::Parser)]
    struct File {
        #[command(flatten)]
        ask: Ask,
    }
    let sizes = FILE_SIZES.iter().cycle().take(usize::try_from(PAGE_FILES)?);
    sizes.map(|size| Ok(File::try_parse_from(["file", "--path", &format!("/bytes/{size}")])?.ask)).collect()
}

async fn load_page(dialer: &Arc<Dialer>, files: &Arc<Vec<Ask>>, tally: &mut Tally) -> Result<(), Failure> {
    let sender = open(dialer, tally).await?;
    let next = Arc::new(Work::new(PAGE_FILES));
    let mut lanes = JoinSet::new();
    for lane in 0..PAGE_STREAMS {
        let (mut sender, dialer, files, next) =
            (sender.clone(), Arc::clone(dialer), Arc::clone(files), Arc::clone(&next));
        lanes.spawn(async move {
            let mut turn = usize::try_from(lane)?;
            while next.take() {
                let file = files.get(turn % files.len()).ok_or("no such file")?;
                sender = exchange(sender, file, &dialer.aim.host).await?;
                turn += usize::try_from(PAGE_STREAMS)?;
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(())
}

async fn open(dialer: &Dialer, tally: &mut Tally) -> Result<SendRequest<Bytes>, Failure> {
    let link = dialer.dial(tally).await?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake::<Link, Bytes>(link)
        .await?;
    tokio::spawn(async move {
        // What goes wrong with the connection goes wrong with its requests too.
        drop(connection.await);
    });
    Ok(sender)
}

async fn exchange(sender: SendRequest<Bytes>, ask: &Ask, host: &str) -> Result<SendRequest<Bytes>, Failure> {
    let mut sender = sender.ready().await?;
    let mut request = http::Request::builder().method(ask.method.as_str()).uri(format!("https://{host}{}", ask.path));
    for (name, value) in ask.fields() {
        request = request.header(name, value);
    }
    let length = ask.length();
    if length > 0 {
        request = request.header(http::header::CONTENT_LENGTH, length);
    }
    let (answer, body) = sender.send_request(request.body(())?, length == 0)?;
    if length > 0 {
        send_body(body, ask).await?;
    }
    let answer = answer.await?;
    let status = answer.status().as_u16();
    let (taken, beginning) = take_body(answer.into_body()).await?;
    ask.check(status, taken, &beginning)?;
    Ok(sender)
}

async fn send_body(mut body: SendStream<Bytes>, ask: &Ask) -> Result<(), Failure> {
    let (before, behind) = ask.wrapping();
    send(&mut body, before).await?;
    let mut left = ask.body;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(ask.piece).min(BLOCK.len());
        send(&mut body, Bytes::from_static(BLOCK.get(..piece).unwrap_or_default())).await?;
        left -= piece as u64;
    }
    send(&mut body, behind).await?;
    Ok(body.send_data(Bytes::new(), true)?)
}

async fn send(body: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Failure> {
    while !bytes.is_empty() {
        body.reserve_capacity(bytes.len());
        let room = poll_fn(|cx| body.poll_capacity(cx)).await.ok_or("the stream was closed")??;
        body.send_data(bytes.split_to(room.min(bytes.len())), false)?;
    }
    Ok(())
}

async fn take_body(mut body: RecvStream) -> Result<(u64, Vec<u8>), Failure> {
    let (mut taken, mut beginning) = (0, Vec::new());
    while let Some(bytes) = body.data().await {
        let bytes = bytes?;
        taken += bytes.len() as u64;
        if beginning.len() < 64 {
            beginning.extend_from_slice(bytes.get(..64).unwrap_or(&bytes));
        }
        body.flow_control().release_capacity(bytes.len())?;
    }
    Ok((taken, beginning))
}
