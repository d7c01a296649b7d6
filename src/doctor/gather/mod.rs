//! Gathering: everything that is asked of the network and the machine, one topic a file.
//!
//! Owns: the order, and what is not asked when something before it failed. Leaves: judging to `rules`.
//! Limits: every wait has a deadline, every answer a size; nothing is asked twice.

mod doors;
mod echo;
mod machine;
mod outside;
mod targets;

use super::compose::parse_compose;
use super::evidence::{Evidence, Question};
use super::finding::Skipped;
use super::url::Url;
use crate::config::{Problem, ServerConf};
use crate::domain::addr::TargetAddr;
use crate::domain::names::{PerService, ServiceName};
use crate::runtime::wall;
use crate::tls::{ClientTls, ServerTlsError};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What to look at, and how far to go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where clients are told to go.
    pub urls: PerService<Url>,
    /// The port of plain http; none where it is off.
    pub plain_port: Option<u16>,
    /// Addresses given for names; none at all: as if the name had none.
    pub resolve: Vec<(String, Vec<IpAddr>)>,
    /// The services behind the proxy, where they are known.
    pub targets: Vec<(ServiceName, TargetAddr, Option<PathBuf>)>,
    /// Ports that should not be reachable past the proxy.
    pub plain_ports: Vec<u16>,
    /// Authorities besides the public ones.
    pub authorities: Vec<PathBuf>,
    /// This system's own list.
    pub system_authorities: Vec<PathBuf>,
    /// What is wrong with the proxy's configuration.
    pub configuration: Vec<Problem>,
    /// ClearML's own configuration.
    pub server: Option<ServerConf>,
    /// Whether nobody says that it is of the server behind these URLs.
    pub server_is_guessed: bool,
    /// Whether the proxy is known to make the login cookie good for all hosts.
    pub repairs_cookies: bool,
    /// The compose file.
    pub compose: Option<PathBuf>,
    /// Key and secret of a user.
    pub credentials: Option<(String, String)>,
    /// Bytes of a test file that may be stored.
    pub upload: Option<u64>,
    /// Leave out what takes long or logs in.
    pub quick: bool,
    /// Connections that the proxy may have open.
    pub connections: Option<u64>,
}

/// Looks, and says what it did not look at.
///
/// # Errors
/// `ServerTlsError` when there is no TLS to look with.
pub(super) async fn gather(plan: &Plan) -> Result<(Evidence, Vec<Skipped>), ServerTlsError> {
    let tls = ClientTls::observing()?;
    let mut skipped = Vec::new();
    let mut evidence = Evidence {
        now: wall(),
        urls: plan.urls.clone(),
        configuration: plan.configuration.clone(),
        doors: doors::knock(plan, &tls, &mut skipped).await,
        answers: BTreeMap::new(),
        targets: targets::look(plan, &mut skipped).await,
        plain_ports: Vec::new(),
        published_keys: Vec::new(),
        published_secret: None,
        skews: Vec::new(),
        server: plan.server.clone(),
        server_is_guessed: plan.server_is_guessed,
        repairs_cookies: plan.repairs_cookies,
        compose: plan.compose.as_deref().and_then(|file| compose(file, &mut skipped)),
        open_files: machine::open_files(plan.connections),
        echo: None,
    };
    Box::pin(outside::ask(plan, &tls, &mut evidence, &mut skipped)).await;
    evidence.plain_ports = targets::past_the_proxy(plan, &evidence.doors).await;
    if plan.quick {
        skipped.push(Skipped { what: "published logins", why: String::from("--quick") });
    } else {
        targets::try_published(plan, &mut evidence, &mut skipped).await;
    }
    evidence.echo = echo::carry(plan, &tls, &evidence, &mut skipped).await;
    evidence.skews = machine::skews(&evidence);
    Ok((evidence, skipped))
}

/// A compose file that cannot be read is said, and is no fault of the server's.
fn compose(file: &Path, skipped: &mut Vec<Skipped>) -> Option<super::evidence::Compose> {
    /// Far more than people write by hand.
    const FILE_MAX: u64 = 1 << 20;
    let read = || {
        let length = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
        if length > FILE_MAX {
            return Err(format!("it has more than {FILE_MAX} bytes"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        parse_compose(file, &text)
    };
    read().map_err(|why| skipped.push(Skipped { what: "compose file", why: format!("{}: {why}", file.display()) })).ok()
}

/// The URL that a question goes to.
fn url_of(urls: &PerService<Url>, question: Question) -> &Url {
    match question {
        Question::Page | Question::WebConfiguration | Question::AppApi | Question::AppFiles | Question::PlainPage => {
            &urls.app
        }
        Question::ApiRoot
        | Question::Ping
        | Question::PingWithBody
        | Question::Modes
        | Question::Preflight
        | Question::LargeCall
        | Question::Login
        | Question::PlainCall => &urls.api,
        Question::FilesRoot
        | Question::FilesMissing
        | Question::EmptyUpload
        | Question::LargeUpload
        | Question::PlainUpload => &urls.files,
    }
}
