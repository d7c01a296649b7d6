//! hyper's client as the oracle: answers made by rule and by accident, cut anywhere, are read by both.
//!
//! Both must see the same status, fields, body, trailers and end. Where ours refuses what hyper takes, the answer has a
//! trait that is refused on purpose, named in `Trait`; hyper may refuse what ours takes only for `Trait::RepeatedLength`.

use super::super::connection::Connection;
use super::super::outbound::{Framing, Outbound};
use super::super::plain::Plain;
use super::super::plain::tests::there;
use super::super::stream::Stream;
use super::{ExchangeError, Exchanged};
use crate::runtime::begin_connect;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::future::poll_fn;
use std::io::Write as _;
use std::net;
use std::time::Duration;
use tokio::net::TcpStream;

/// How an answer was read.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    Refused,
    Head { status: u16, fields: Vec<(String, Vec<u8>)>, body: Vec<u8>, trailers: Vec<(String, Vec<u8>)>, whole: bool },
}

/// What is refused here though hyper takes it: whoever reads it otherwise than we do could be made to see two answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    /// A length beside a coding.
    LengthAndCoding,
    /// A coding other than one `chunked`.
    OtherCoding,
    /// A coding in HTTP/1.0.
    OldCoding,
    /// No number, or two: not looked at by hyper where there is no body.
    BadLength,
    /// One length, said more than once; folded here.
    RepeatedLength,
}

#[derive(Clone, Debug)]
struct Case {
    method: Method,
    interims: Vec<&'static str>,
    status: &'static str,
    framing: &'static [&'static str],
    others: Vec<&'static [u8]>,
    eol: &'static str,
    body: Vec<u8>,
    chunks: Vec<Index>,
    trailers: Vec<&'static str>,
    /// What happens to the bytes at the end.
    tail: Tail,
    cuts: Vec<Index>,
}

#[derive(Clone, Copy, Debug)]
enum Tail {
    Whole,
    CutOff(Index),
    Flipped(Index, u8),
    More,
}

const INTERIMS: &[&str] = &["100 Continue\r\n\r\n", "102 Processing\r\n\r\n", "103 Early Hints\r\nLink: </a>\r\n\r\n"];

const STATUSES: &[&str] = &[
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 200",
    "HTTP/1.0 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 404 Not Found",
    "HTTP/1.1 502 Bad \u{e9} Gateway",
    "HTTP/2.0 200 OK",
    "ICY 200 OK",
    "HTTP/1.1 99 Low",
    "HTTP/1.1 1000 High",
    "HTTP/1.1  200 OK",
];

/// `#` stands for the length of the body.
const FRAMINGS: &[&[&str]] = &[
    &["Content-Length: #"],
    &["Content-Length: #"],
    &["Transfer-Encoding: chunked"],
    &["Transfer-Encoding: chunked"],
    &[],
    &["content-length:#"],
    &["Content-Length: #, #"],
    &["Content-Length: #", "Content-Length: #"],
    &["Content-Length: #", "Content-Length: 1#"],
    &["Content-Length: +#"],
    &["Content-Length: -1"],
    &["Content-Length: 0x10"],
    &["Content-Length:"],
    &["Content-Length: 99999999999999999999999"],
    &["Transfer-Encoding: CHUNKED"],
    &["Transfer-Encoding: gzip, chunked"],
    &["Transfer-Encoding: gzip"],
    &["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    &["Content-Length: #", "Transfer-Encoding: chunked"],
    &["Transfer-Encoding: chunked", "Content-Length: #"],
    &["Transfer-Encoding : chunked"],
    &["Transfer-Encoding:\tchunked"],
];

const OTHERS: &[&[u8]] = &[
    b"Server: a",
    b"Server: b",
    b"Date: Fri, 27 Nov 2026 04:00:00 GMT",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: X-Private",
    b"X-Private: 1",
    b"Keep-Alive: timeout=5",
    b"Set-Cookie: a=1",
    b"Set-Cookie: b=2",
    b"X-Empty:",
    b"X-Tabs:\t a \t",
    b"X-Latin: \xe9",
    b"X-Fold: a\r\n b",
    b"X-Space : a",
    b" X-Led: a",
    b"X-Nul: \0",
    b"X-Cr: a\rb",
    b": nothing",
    b"no colon",
    b"X-(: a",
];

fn cases() -> impl Strategy<Value = Case> {
    let head = (
        select(vec![Method::GET, Method::GET, Method::GET, Method::HEAD]),
        prop::collection::vec(select(INTERIMS), 0..3),
        select(STATUSES),
        select(FRAMINGS),
        prop::collection::vec(select(OTHERS), 0..4),
        select(&["\r\n", "\r\n", "\r\n", "\n"][..]),
    );
    let body = (
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(any::<Index>(), 0..4),
        prop::collection::vec(select(&["X-Sum: 1", "Y: 2", "bad trailer", "Content-Length: 5"][..]), 0..2),
        prop_oneof![
            4 => Just(Tail::Whole),
            1 => any::<Index>().prop_map(Tail::CutOff),
            1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Tail::Flipped(at, byte)),
            1 => Just(Tail::More),
        ],
        prop::collection::vec(any::<Index>(), 0..5),
    );
    (head, body).prop_map(|((method, interims, status, framing, others, eol), (body, chunks, trailers, tail, cuts))| {
        Case { method, interims, status, framing, others, eol, body, chunks, trailers, tail, cuts }
    })
}

impl Case {
    fn chunked(&self) -> bool {
        self.framing.iter().any(|line| line.to_ascii_lowercase().starts_with("transfer-encoding"))
    }

    fn encoded(&self) -> Vec<u8> {
        if !self.chunked() {
            return self.body.clone();
        }
        let mut marks = self.chunks.iter().map(|at| at.index(self.body.len() + 1)).collect::<Vec<_>>();
        marks.extend([0, self.body.len()]);
        marks.sort_unstable();
        let mut out = Vec::new();
        for (number, pair) in marks.windows(2).enumerate() {
            let piece = &self.body[pair[0]..pair[1]];
            if !piece.is_empty() {
                let extension = if number % 2 == 1 { ";name=value" } else { "" };
                write!(out, "{:X}{extension}\r\n", piece.len()).unwrap();
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(b"0\r\n");
        for line in &self.trailers {
            write!(out, "{line}\r\n").unwrap();
        }
        out.extend_from_slice(b"\r\n");
        out
    }

    /// The answer's bytes, in the pieces that are sent.
    fn pieces(&self) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        for interim in &self.interims {
            write!(out, "HTTP/1.1 {interim}").unwrap();
        }
        write!(out, "{}{}", self.status, self.eol).unwrap();
        for line in self.framing {
            write!(out, "{}{}", line.replace('#', &self.body.len().to_string()), self.eol).unwrap();
        }
        for line in &self.others {
            out.extend_from_slice(line);
            out.extend_from_slice(self.eol.as_bytes());
        }
        out.extend_from_slice(self.eol.as_bytes());
        out.extend(self.encoded());
        match self.tail {
            Tail::Whole => {}
            Tail::CutOff(at) => out.truncate(at.index(out.len())),
            Tail::Flipped(at, byte) => {
                let at = at.index(out.len());
                out[at] = byte;
            }
            Tail::More => out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo"),
        }
        let mut cuts = self.cuts.iter().map(|at| at.index(out.len() + 1)).collect::<Vec<_>>();
        cuts.extend([0, out.len()]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| out[pair[0]..pair[1]].to_vec()).filter(|piece| !piece.is_empty()).collect()
    }

    /// Why ours may refuse it, or fold what hyper refuses. Judged by the bytes, since one of them may have been changed.
    fn traits(&self) -> Vec<Trait> {
        let text = String::from_utf8_lossy(&self.pieces().concat()).to_ascii_lowercase();
        let head = text.split("http/1.").nth(self.interims.len() + 1).unwrap_or_default();
        let head = head.split("\r\n\r\n").next().unwrap_or_default();
        let values = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
                .collect::<Vec<_>>()
        };
        let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
        let items = lengths.iter().flat_map(|value| value.split(',')).map(str::trim).collect::<Vec<_>>();
        let number =
            |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        let numbers = items.iter().map(number).collect::<std::collections::BTreeSet<_>>();
        let found = [
            (!codings.is_empty() && !lengths.is_empty(), Trait::LengthAndCoding),
            (!codings.is_empty() && codings != ["chunked"], Trait::OtherCoding),
            (!codings.is_empty() && head.starts_with('0'), Trait::OldCoding),
            (numbers.contains(&None) || numbers.len() > 1, Trait::BadLength),
            (numbers.len() == 1 && items.len() > 1, Trait::RepeatedLength),
        ];
        found.into_iter().filter(|(there, _)| *there).map(|(_, found)| found).collect()
    }
}

/// A connection whose other end sends `pieces`, each on its own, and closes.
fn sending(pieces: Vec<Vec<u8>>) -> (net::TcpStream, std::thread::JoinHandle<()>) {
    let listener = crate::runtime::listen(([127, 0, 0, 1], 0).into(), Duration::from_secs(60)).unwrap();
    listener.set_nonblocking(false).unwrap();
    let addr = listener.local_addr().unwrap();
    #[allow(clippy::disallowed_methods, reason = "the other end must go on while this end waits")]
    let sender = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 512];
            let count = std::io::Read::read(&mut socket, &mut piece).unwrap();
            asked.extend_from_slice(&piece[..count]);
        }
        for piece in pieces {
            // The reader may have given up.
            if socket.write_all(&piece).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    (there(begin_connect(addr).unwrap()), sender)
}

fn pairs(fields: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut pairs =
        fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect::<Vec<_>>();
    // The order between fields of different names has no meaning, and removals change it.
    pairs.sort_by(|one, two| one.0.cmp(&two.0));
    pairs
}

async fn by_us(case: &Case, pieces: Vec<Vec<u8>>) -> Read {
    let (stream, sender) = sending(pieces);
    let head = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", case.method).into_bytes();
    let mut outbound = Outbound::new(head, Empty::<Bytes>::new(), Framing::Length(0));
    let connection = Connection::new(Stream::Plain(Plain::fresh(stream)), 0, 64 * 1024);
    let read = match connection.exchange(&mut outbound, case.method == Method::HEAD).await {
        Err(ExchangeError::Unsent | ExchangeError::Body) => panic!("the request was sent"),
        Err(_) => Read::Refused,
        Ok(exchanged) => taken(exchanged).await,
    };
    sender.join().unwrap();
    read
}

async fn taken(Exchanged { head, mut answering, .. }: Exchanged<Empty<Bytes>>) -> Read {
    let (mut body, mut trailers, mut whole) = (Vec::new(), HeaderMap::new(), true);
    while let Some(frame) = poll_fn(|cx| answering.poll_frame(cx)).await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => body.extend_from_slice(&data),
            Ok(Err(frame)) => trailers = frame.into_trailers().unwrap(),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    assert!(whole || answering.take_free().is_none(), "a broken connection is not used again");
    Read::Head { status: head.status.as_u16(), fields: pairs(&head.headers), body, trailers: pairs(&trailers), whole }
}

async fn by_hyper(case: &Case, pieces: Vec<Vec<u8>>) -> Read {
    let (stream, sender) = sending(pieces);
    let (mut requests, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(TcpStream::from_std(stream).unwrap())).await.unwrap();
    #[allow(clippy::disallowed_methods, reason = "the library wants its connection driven beside the request")]
    let driving = tokio::spawn(connection);
    let request = Request::builder().method(case.method.clone()).uri("/").header("host", "a");
    let read = match requests.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await {
        Err(_) => Read::Refused,
        Ok(answer) => {
            let (mut head, mut incoming) = answer.into_parts();
            let (mut body, mut trailers, mut whole) = (Vec::new(), HeaderMap::new(), true);
            while let Some(frame) = incoming.frame().await {
                match frame.map(http_body::Frame::into_data) {
                    Ok(Ok(data)) => body.extend_from_slice(&data),
                    Ok(Err(frame)) => trailers = frame.into_trailers().unwrap(),
                    Err(_) => {
                        whole = false;
                        break;
                    }
                }
            }
            pass_on(&mut head.headers, head.status.as_u16());
            Read::Head {
                status: head.status.as_u16(),
                fields: pairs(&head.headers),
                body,
                trailers: pairs(&trailers),
                whole,
            }
        }
    };
    drop(requests);
    let _ended = driving.await;
    sender.join().unwrap();
    read
}

/// What `answer_fields` passes on, said again in other words.
fn pass_on(fields: &mut HeaderMap, status: u16) {
    let named = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok().map(str::to_owned));
    for name in named.collect::<Vec<_>>().iter().flat_map(|value| value.split(',')) {
        let name = name.trim().to_ascii_lowercase();
        if name != "close" && name != "keep-alive" && !name.is_empty() {
            fields.remove(name.as_str());
        }
    }
    for name in ["connection", "keep-alive", "transfer-encoding"] {
        fields.remove(name);
    }
    for name in [header::SERVER, header::DATE] {
        if let Some(first) = fields.get(&name).cloned() {
            fields.insert(name, first);
        }
    }
    if status == 204 {
        fields.remove(header::CONTENT_LENGTH);
    }
}

fn judge(case: &Case, ours: &Read, oracle: &Read) -> Result<(), String> {
    let traits = case.traits();
    let fits = match (ours, oracle) {
        (Read::Refused, Read::Head { .. }) => traits.iter().any(|found| *found != Trait::RepeatedLength),
        (Read::Head { .. }, Read::Refused) => traits == [Trait::RepeatedLength],
        // A repeated length is passed on once.
        (Read::Head { status, body, whole, .. }, Read::Head { status: s, body: b, whole: w, .. })
            if traits == [Trait::RepeatedLength] =>
        {
            (status, body, whole) == (s, b, w)
        }
        _ => ours == oracle,
    };
    if fits { Ok(()) } else { Err(format!("{traits:?}\nours   {ours:?}\noracle {oracle:?}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_read_as_the_oracle_reads_them(case in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, oracle) = runtime.block_on(async {
            (by_us(&case, case.pieces()).await, by_hyper(&case, case.pieces()).await)
        });
        let verdict = judge(&case, &ours, &oracle);
        let text = case.pieces().concat();
        prop_assert!(verdict.is_ok(), "{}\n{}", verdict.unwrap_err(), text.escape_ascii());
    }
}
