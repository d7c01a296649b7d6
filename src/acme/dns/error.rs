//! Why a record is not there.

use super::key::KeyError;
use super::wire::WireError;
use crate::domain::settings::NameServer;
use hickory_proto::op::ResponseCode;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why a record could not be put, or is not seen.
#[derive(Debug)]
pub(in super::super) enum DnsError {
    /// The program cannot be started.
    HookUnusable(String, io::Error),
    /// It said no.
    HookFailed { action: &'static str, name: String, status: ExitStatus, output: String },
    /// It took too long.
    HookLate { action: &'static str, name: String, output: String },
    /// The key that signs updates.
    Key(PathBuf, KeyError),
    /// A server cannot be talked to.
    Server(NameServer, WireError),
    /// It refused the update.
    Refused { server: NameServer, code: ResponseCode, why: Option<String> },
    /// Nobody knows the zone of this name.
    NoZone(String),
    /// There is no server to ask.
    NobodyToAsk,
    /// These servers do not show these records, and why.
    Unseen(Vec<String>),
    /// What is to be taken back later cannot be written down.
    Folder(io::Error),
}

impl DnsError {
    /// What to do about it.
    pub(in super::super) const fn hint(&self) -> &'static str {
        match self {
            Self::HookUnusable(..) => "check the path and the permissions of the program in acme.dns.hook",
            Self::HookFailed { .. } => "run the program of acme.dns.hook by hand with the same arguments",
            Self::HookLate { .. } => "make it faster, or raise acme.dns.hook_timeout",
            Self::Key(..) => "make acme.dns.key_file anew with tsig-keygen, for server and proxy alike",
            Self::Server(..) => {
                "check acme.dns.servers and acme.dns.resolvers, and that port 53 over TCP is open from here"
            }
            Self::Refused { .. } => {
                "check that the server lets this key update TXT records of the zone, and both clocks"
            }
            Self::NoZone(_) => "set acme.dns.zone",
            Self::NobodyToAsk => "set acme.dns.resolvers, or acme.dns.look to false",
            Self::Unseen(_) => "raise acme.dns.propagation_timeout, or name others in acme.dns.resolvers",
            Self::Folder(_) => "make certificate_folder readable and writable for the user that runs this program",
        }
    }
}

impl fmt::Display for DnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HookUnusable(program, error) => write!(f, "{program} cannot be run: {error}"),
            Self::HookFailed { action, name, status, output } => {
                write!(f, "the hook did not {action} {name} ({status}): {}", shown(output))
            }
            Self::HookLate { action, name, output } => {
                write!(f, "the hook took too long to {action} {name}: {}", shown(output))
            }
            Self::Key(file, error) => write!(f, "{} holds no key for updates: {error}", file.display()),
            Self::Server(server, error) => write!(f, "{server}: {error}"),
            Self::Refused { server, code, why } => {
                let meant = match why.as_deref() {
                    Some("BadKey") => ": it does not know this key",
                    Some("BadSig") => ": it has another secret for this key",
                    Some("BadTime") => ": its clock and ours differ too much",
                    _ => "",
                };
                write!(f, "{server} refused the update ({code}){meant}")
            }
            Self::NoZone(name) => write!(f, "no server says which zone {name} is in"),
            Self::NobodyToAsk => f.write_str("there is no server to ask whether the records are there"),
            Self::Unseen(missing) => write!(f, "the records are not seen: {}", missing.join("; ")),
            Self::Folder(error) => write!(f, "what is to be removed later cannot be written down: {error}"),
        }
    }
}

/// A program's words, in one line that cannot break the log.
fn shown(output: &str) -> String {
    match output {
        "" => String::from("it wrote nothing"),
        output => output.escape_debug().to_string(),
    }
}
