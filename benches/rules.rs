//! Instructions of the rules that every request passes, counted by valgrind: numbers that do not depend on how fast
//! the machine is or what else it does.
//!
//! `cargo bench --bench rules` counts and compares with `benches/results/rules.json`; with `-- --save` it writes that
//! file. Each rule runs in a process of its own, once a few times and once many times, and the difference is divided:
//! what the process costs by itself falls out.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the numbers are for the person who asked")]

use clearway::domain::addr::TrustedNetworks;
use clearway::domain::forwarded::client_of;
use clearway::domain::framing::{Chunks, HeadLimits, Tracker};
use clearway::domain::hop_by_hop::names_to_drop;
use clearway::domain::names::{Authority, HostName};
use clearway::domain::route::route;
use clearway::domain::settings::{Domains, Layout};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const FEW: u64 = 100;
const MANY: u64 = 1_100;
/// A difference in percent that is worth a look.
const NOTABLE: f64 = 1.0;

/// A call as ClearML's SDK makes it: GET with a body.
const SDK_CALL: &[u8] = b"GET /v2.30/tasks.get_all HTTP/1.1\r\nHost: api.clearml.example.com\r\n\
    User-Agent: clearml/2.0.2 python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
    Connection: keep-alive\r\nX-ClearML-Client: clearml-2.0.2\r\nX-Trains-Client: clearml-2.0.2\r\n\
    X-ClearML-Worker: host:gpu0\r\nX-Trains-Worker: host:gpu0\r\nContent-Type: application/json\r\n\
    Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDAsImlkZW50aXR5Ijp7fX0.c2lnbmF0dXJl\r\n\
    Content-Length: 11\r\n\r\n{\"id\": [1]}";

/// A rule, run once; whether it came to what it should.
type Rule = Box<dyn FnMut() -> bool>;

/// Every rule with its name, ready to run.
fn rules() -> Result<Vec<(&'static str, Rule)>, Box<dyn Error>> {
    let limits = HeadLimits { head: 64 * 1024, target: 16 * 1024, headers: 100 };
    let domains = Domains::Listed(vec![HostName::parse("ml.corp")?, HostName::parse("clearml.example.com")?]);
    let layout = Layout::below(domains);
    let chunk = [b"2000\r\n".as_slice(), &[b'x'; 8192], b"\r\n"].concat();
    let (nobody, trusted) = (TrustedNetworks::default(), TrustedNetworks::new(vec!["10.0.0.0/8".parse()?]));
    let peer = "10.0.0.1".parse::<IpAddr>()?;
    let behind = "1.1.1.1".parse::<IpAddr>()?;
    let headers = forwarded_headers();
    let (same_headers, more_headers) = (headers.clone(), headers.clone());
    Ok(vec![
        ("head of an SDK call", Box::new(move || Tracker::new(limits).clear(black_box(SDK_CALL), 0).stop.is_none())),
        ("a chunk of 8 KiB", Box::new(move || Chunks::default().follow(black_box(&chunk)).is_ok())),
        ("host to service", Box::new(move || route(&layout, black_box("api.clearml.example.com"), "/").is_some())),
        ("authority", Box::new(|| Authority::parse(black_box("api.clearml.example.com:8443")).is_ok())),
        ("client, nobody trusted", Box::new(move || client_of(peer, black_box(&headers), &nobody) == peer)),
        ("client, trusted proxy", Box::new(move || client_of(peer, black_box(&same_headers), &trusted) == behind)),
        ("fields named by Connection", Box::new(move || names_to_drop(black_box(&more_headers)).is_empty())),
    ])
}

fn forwarded_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 1.1.1.1, 10.0.0.2"));
    headers
}

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench").collect::<Vec<_>>();
    let result = match arguments.as_slice() {
        [name, count] => run_rule(name, count),
        [save] if save == "--save" => count_all().and_then(|counts| save_baseline(&counts)),
        [] => count_all().and_then(|counts| compare(&counts)),
        _ => Err("the only argument is --save".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the process under valgrind does.
fn run_rule(name: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let mut rules = rules()?;
    let (_, rule) = rules.iter_mut().find(|(rule, _)| *rule == name).ok_or("no such rule")?;
    for _ in 0..count.parse::<u64>()? {
        if !black_box(rule()) {
            return Err(format!("{name}: a wrong result").into());
        }
    }
    Ok(())
}

/// Instructions of each rule, run once.
fn count_all() -> Result<Map<String, Value>, Box<dyn Error>> {
    let names = rules()?.into_iter().map(|(name, _)| name);
    names
        .map(|name| {
            let each = (instructions(name, MANY)? - instructions(name, FEW)?) / (MANY - FEW);
            Ok((name.to_owned(), json!(each)))
        })
        .collect()
}

fn instructions(name: &str, count: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([name, &count.to_string()])
        .output()
        .map_err(|error| format!("valgrind (Debian package valgrind) does not start: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = words.lines().find_map(|line| line.split_once("Collected : "));
    let (_, counted) = collected.ok_or_else(|| format!("valgrind counted nothing: {words}"))?;
    Ok(counted.trim().parse()?)
}

fn baseline() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/results/rules.json")
}

fn save_baseline(counts: &Map<String, Value>) -> Result<(), Box<dyn Error>> {
    Ok(std::fs::write(baseline(), serde_json::to_string_pretty(counts)? + "\n")?)
}

fn compare(counts: &Map<String, Value>) -> Result<(), Box<dyn Error>> {
    let before: Map<String, Value> = serde_json::from_str(&std::fs::read_to_string(baseline())?)?;
    println!("{:32} {:>10} {:>10}", "instructions", "baseline", "now");
    for (name, now) in counts {
        let (old, new) = (before.get(name).and_then(Value::as_f64), now.as_f64().unwrap_or_default());
        let change = old.map(|old| 100.0 * (new - old) / old).filter(|change| change.abs() > NOTABLE);
        let note = change.map(|change| format!("{change:+.1} %")).unwrap_or_default();
        println!("{name:32} {:>10} {new:>10} {note}", old.map_or("-".to_owned(), |old| old.to_string()));
    }
    Ok(())
}
