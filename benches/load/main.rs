//! The load that the comparison with other proxies drives: an origin, and clients that check every answer.
//!
//! `benches/peers` starts it; `cargo build --release --bench load` builds it. Addresses are loopback, every run has a
//! fixed number of requests and a time limit. What was done comes out as one line of JSON.

#![allow(clippy::print_stdout, reason = "the line of JSON is how the result is handed over")]

mod ask;
mod dial;
mod http1;
mod http2;
mod idle;
mod origin;
mod tally;
mod work;

use ask::Ask;
use clap::{Parser, Subcommand};
use dial::{Aim, Dialer, Protocol};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use work::Amount;

/// Whatever went wrong; the run is void then.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The run is given up after this many seconds
    #[arg(long, global = true, default_value_t = 300)]
    limit: u64,
    /// What cargo adds
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Serve sized answers and take uploads until standard input ends; prints its ports
    Origin,
    /// Requests over HTTP/1.1
    Http1 {
        #[command(flatten)]
        aim: Aim,
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        amount: Amount,
    },
    /// Requests over HTTP/2
    Http2 {
        #[command(flatten)]
        aim: Aim,
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        amount: Amount,
        /// Requests at the same time on a connection
        #[arg(long, default_value_t = 1)]
        streams: u64,
    },
    /// Page loads over HTTP/2: a new connection each, and all files of the page over it
    Pages {
        #[command(flatten)]
        aim: Aim,
        #[command(flatten)]
        amount: Amount,
    },
    /// Connections that ask once and then stay silent until a line comes on standard input
    Idle {
        #[command(flatten)]
        aim: Aim,
        #[command(flatten)]
        ask: Ask,
        #[command(flatten)]
        amount: Amount,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.bench {
        println!("nothing to measure alone: python3 benches/peers/run.py starts it");
        return ExitCode::SUCCESS;
    }
    match serve(args) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("{}", serde_json::json!({ "failure": failure.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn serve(args: Args) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = Duration::from_secs(args.limit);
    let result = runtime.block_on(async {
        match args.command {
            Command::Origin => origin::serve().await,
            other => tokio::time::timeout(limit, drive(other)).await.map_err(|_| "the time limit is over")?,
        }
    });
    runtime.shutdown_background();
    result
}

async fn drive(command: Command) -> Result<String, Failure> {
    let tally = match command {
        Command::Origin => return Err("the origin is no load".into()),
        Command::Http1 { aim, ask, amount } => {
            let dialer = Arc::new(Dialer::new(aim, Protocol::Http1, &amount)?);
            http1::drive(dialer, Arc::new(ask), amount).await?
        }
        Command::Http2 { aim, ask, amount, streams } => {
            let dialer = Arc::new(Dialer::new(aim, Protocol::Http2, &amount)?);
            http2::drive(dialer, Arc::new(ask), amount, streams).await?
        }
        Command::Pages { aim, amount } => {
            let dialer = Arc::new(Dialer::new(aim, Protocol::Http2, &amount)?);
            http2::load_pages(dialer, amount).await?
        }
        Command::Idle { aim, ask, amount } => {
            let dialer = Arc::new(Dialer::new(aim, Protocol::Http1, &amount)?);
            idle::hold(dialer, Arc::new(ask), amount).await?
        }
    };
    Ok(tally.into_json())
}
