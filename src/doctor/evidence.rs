//! Evidence: what was seen, as plain data. `gather` fills it, `rules` read it.

use super::url::Url;
use crate::clearml::{LoginCookie, recognise};
use crate::config::{Problem, ServerConf};
use crate::domain::names::{PerService, ServiceName};
use crate::tls::ChainFault;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::SystemTime;

/// Everything that was seen.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    /// When.
    pub(super) now: SystemTime,
    /// Where clients are told to go.
    pub(super) urls: PerService<Url>,
    /// What is wrong with the proxy's configuration.
    pub(super) configuration: Vec<Problem>,
    /// The https ports, each name once.
    pub(super) doors: Vec<Door>,
    /// What was answered.
    pub(super) answers: BTreeMap<Question, Answer>,
    /// The services behind the proxy.
    pub(super) targets: Vec<TargetSeen>,
    /// Ports of the services that answered past the proxy.
    pub(super) plain_ports: Vec<PlainPort>,
    /// Published logins that open the API server, with what to do about each.
    pub(super) published_keys: Vec<(&'static str, &'static str)>,
    /// Where the token secret is published.
    pub(super) published_secret: Option<&'static str>,
    /// How far a server's clock is ahead of ours, in seconds.
    pub(super) skews: Vec<(String, i64)>,
    /// ClearML's own configuration.
    pub(super) server: Option<ServerConf>,
    /// Whether it may be that of another server than these URLs lead to.
    pub(super) server_is_guessed: bool,
    /// Whether the proxy makes the login cookie good for all hosts.
    pub(super) repairs_cookies: bool,
    /// The compose file.
    pub(super) compose: Option<Compose>,
    /// How many files a process that is started here may open, and how many the proxy may need.
    pub(super) open_files: Option<(u64, u64)>,
    /// The test file's fate.
    pub(super) echo: Option<Echo>,
}

/// One name and port as a client comes to it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub(super) host: String,
    pub(super) port: u16,
    /// Its addresses, or why it has none.
    pub(super) addresses: Result<Vec<IpAddr>, String>,
    /// The address that accepted; none where there was nothing to try.
    pub(super) reached: Option<Result<SocketAddr, String>>,
    /// What was shown there.
    pub(super) tls: Option<Result<TlsSeen, TlsTrouble>>,
}

/// A handshake that worked, and what is wrong with what was shown.
#[derive(Clone, Debug)]
pub(super) struct TlsSeen {
    pub(super) faults: Vec<ChainFault>,
    /// The authority is in this system's list only.
    pub(super) system_only: bool,
    pub(super) not_after: Option<SystemTime>,
}

/// Why there was no handshake.
#[derive(Clone, Debug)]
pub(super) struct TlsTrouble {
    /// The other side speaks, but not TLS.
    pub(super) plain: bool,
    pub(super) text: String,
}

/// What is asked through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// GET / of the web UI.
    Page,
    /// Its configuration.json.
    WebConfiguration,
    /// /api/debug.ping of the web UI's host.
    AppApi,
    /// /files/ of the web UI's host.
    AppFiles,
    /// GET / of the API.
    ApiRoot,
    /// debug.ping without a body.
    Ping,
    /// debug.ping with one, which the API server repeats.
    PingWithBody,
    /// login.supported_modes.
    Modes,
    /// The browser's question before a call.
    Preflight,
    /// A call that is announced with many bytes.
    LargeCall,
    /// auth.login.
    Login,
    /// GET / of the file server.
    FilesRoot,
    /// A file that is not there, without a token.
    FilesMissing,
    /// An upload of nothing to exactly the file server's URL.
    EmptyUpload,
    /// An upload that is announced with many bytes.
    LargeUpload,
    /// Page, upload and call over plain http.
    PlainPage,
    PlainUpload,
    PlainCall,
}

/// What came back.
pub(super) type Answer = Result<Heard, Unheard>;

/// An answer, its body cut at a few KiB.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// When it came.
    pub(super) at: Option<SystemTime>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// No connection.
    Unreachable(String),
    /// The connection broke.
    Broken(String),
    /// Nothing within the time that was given.
    Silent,
}

/// One target.
#[derive(Clone, Debug)]
pub(super) struct TargetSeen {
    pub(super) service: ServiceName,
    pub(super) addr: String,
    /// The answer to its own probe.
    pub(super) answer: Answer,
    /// Which service it is, by its answers.
    pub(super) kind: Option<ServiceName>,
}

/// A service that answers past the proxy.
#[derive(Clone, Debug)]
pub(super) struct PlainPort {
    pub(super) addr: SocketAddr,
    pub(super) kind: ServiceName,
}

/// What became of the test file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    /// It came back as it was and is gone.
    Same,
    /// It could not be stored or fetched.
    Failed(String),
    /// It came back, but other.
    Changed,
    /// It came back, and is still there.
    Kept(String),
}

/// What matters of a compose file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compose {
    pub(super) file: PathBuf,
    pub(super) services: Vec<ComposeService>,
}

/// One service of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ComposeService {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) ports: Vec<PublishedPort>,
    pub(super) environment: Vec<Variable>,
}

/// A port that is open on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublishedPort {
    /// As it is written.
    pub(super) text: String,
    /// The same for the host alone.
    pub(super) closed: String,
    /// For everybody, not for the host itself only.
    pub(super) open: bool,
    /// Of the container.
    pub(super) target: u16,
    pub(super) at: (usize, usize),
}

/// A variable of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) at: (usize, usize),
}

impl Evidence {
    /// The answer to `question`, if it was asked and answered.
    pub(super) fn heard(&self, question: Question) -> Option<&Heard> {
        self.answers.get(&question)?.as_ref().ok()
    }

    /// Whether there are passwords, by the API server's own word.
    pub(super) fn fixed_users(&self) -> Option<bool> {
        let told = serde_json::from_slice::<Value>(&self.heard(Question::Modes)?.body).ok()?;
        told.get("data")?.get("basic")?.get("enabled")?.as_bool()
    }

    /// The cookies of the login, where one worked.
    pub(super) fn login_cookies(&self) -> Vec<LoginCookie> {
        let login = self.heard(Question::Login).filter(|heard| heard.status == StatusCode::OK);
        login.map(|heard| LoginCookie::all(&heard.headers)).unwrap_or_default()
    }
}

impl Heard {
    /// The first value of a field, as text.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status and, where it is said, whose answer it is: Clearway's own, or another program's.
    pub(super) fn told(&self) -> String {
        let whose = [("x-fault", "X-Fault"), ("server", "Server")];
        let whose = whose.iter().find_map(|(field, shown)| Some(format!(" ({shown}: {})", self.field(field)?)));
        format!("{}{}", self.status, whose.unwrap_or_default())
    }

    /// Which of ClearML's services answered. What Clearway answers in the place of one has the service's own form.
    pub(super) fn kind(&self) -> Option<ServiceName> {
        recognise(self.status, &self.body).filter(|_| self.field("x-fault").is_none())
    }
}
