//! The arguments of `doctor`, `explain` and `init`.

use super::{CallArgs, SourceArgs};
use std::net::IpAddr;
use std::path::PathBuf;

/// `clearway doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway doctor\n  clearway doctor --domain clearml.example.com --upload\n  \
                        clearway doctor --url https://app.clearml.example.com --quick --json\n\n\
                        It changes nothing. Credentials for the login come from CLEARML_API_ACCESS_KEY and\n\
                        CLEARML_API_SECRET_KEY.\n\n\
                        Exit codes: 0 nothing or hints only, 1 errors, 4 warnings at worst.")]
pub(in super::super) struct DoctorArgs {
    #[command(flatten)]
    pub(in super::super) source: SourceArgs,
    /// Look at a set-up that no configuration here describes: its web UI, or web UI, API and files
    #[arg(long, value_name = "URL", num_args = 1..=3, conflicts_with_all = ["config", "domain"])]
    pub(in super::super) url: Vec<String>,
    /// Which of several: a domain, or the host of a web UI [default: the first]
    #[arg(long, value_name = "NAME")]
    pub(in super::super) name: Option<String>,
    /// Use these addresses for a name instead of asking DNS, as curl does: NAME:ADDR[,ADDR]; "*" for every name
    #[arg(long, value_name = "NAME:ADDR", value_parser = resolve)]
    pub(in super::super) resolve: Vec<(String, Vec<IpAddr>)>,
    /// ClearML's apiserver.conf [default: where the server would read it, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(in super::super) apiserver_conf: Option<PathBuf>,
    /// The compose file of the ClearML Server
    #[arg(long, value_name = "FILE")]
    pub(in super::super) compose: Option<PathBuf>,
    /// A certificate authority that clients trust besides the public ones [default: the local CA, where it is used]
    #[arg(long, value_name = "FILE")]
    pub(in super::super) ca: Vec<PathBuf>,
    /// Store a test file on the file server, fetch it, compare it, delete it
    #[arg(long, value_name = "MIB", num_args = 0..=1, default_missing_value = "100", conflicts_with = "quick",
          value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(in super::super) upload: Option<u64>,
    /// Leave out logins and whatever takes long
    #[arg(long)]
    pub(in super::super) quick: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// `clearway explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway explain https://app.clearml.example.com/api/debug.ping\n  \
                        clearway explain http://files.clearml.example.com/ --method POST --body\n  \
                        clearway explain https://api.clearml.example.com/tasks.delete --origin https://wiki.example.com\n  \
                        clearway explain https://files.clearml.example.com/a --method DELETE --client 10.0.0.7\n  \
                        clearway explain 4f1c0a9e27d3b85600000000000001a7\n\n\
                        Nothing is sent. What only a running proxy knows is told as it is: whether the API server accepts\n\
                        a token, whose logins failed, which services are closed.\n\
                        Exit codes: 0 it would be served, 1 it would be refused, or nobody listens.")]
pub(in super::super) struct ExplainArgs {
    /// The URL, whole; or a request's id, from X-Request-Id, an error page or the access log
    #[arg(value_name = "URL|REQUEST-ID")]
    pub(in super::super) what: String,
    /// Its method
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    pub(in super::super) method: String,
    /// It has a body
    #[arg(long)]
    pub(in super::super) body: bool,
    /// A field of it, as "X-ClearML-Worker: a"; repeat for several
    #[arg(long, value_name = "NAME: VALUE")]
    pub(in super::super) header: Vec<String>,
    /// A page of this origin makes it in the browser of somebody who is signed in: with Origin and the login cookie
    #[arg(long, value_name = "ORIGIN")]
    pub(in super::super) origin: Option<String>,
    /// The address that it comes from
    #[arg(long, value_name = "ADDR")]
    pub(in super::super) client: Option<IpAddr>,
    #[command(flatten)]
    pub(in super::super) source: SourceArgs,
    /// For an id: the admin socket [default: admin.socket of the configuration, else the usual places]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(in super::super) json: bool,
}

impl ExplainArgs {
    /// Whether it is the id of a request: no URL and no host. Who names the socket may ask for an id with a dot.
    pub(in super::super) fn names_a_request(&self) -> bool {
        !self.what.contains('/') && (self.socket.is_some() || !self.what.contains('.'))
    }

    /// The running proxy that may remember it.
    pub(in super::super) fn call(&self) -> CallArgs {
        self.source.call(self.socket.clone(), self.json)
    }
}

/// `clearway init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  clearway init\n  clearway init --domain clearml.example.com --output /opt/clearml/config\n  \
                        clearway init --single-domain clearml.corp --chain site.pem --key site.key --dry-run\n\n\
                        On a terminal it asks for what no flag says, and before it changes a file. Elsewhere it changes\n\
                        existing files only with --yes."
)]
pub(in super::super) struct InitArgs {
    /// Parent name of app., api. and files.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["hosts", "single_domain"])]
    pub(in super::super) domain: Option<String>,
    /// Names of the web UI, the API and the file server
    #[arg(long, value_names = ["APP", "API", "FILES"], num_args = 3, conflicts_with = "single_domain")]
    pub(in super::super) hosts: Vec<String>,
    /// One name for all three, with paths
    #[arg(long, value_name = "NAME")]
    pub(in super::super) single_domain: Option<String>,
    /// The certificate: leaf first, then its issuers [default: a CA of its own, which clients have to be given]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(in super::super) chain: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, value_name = "FILE", requires = "chain")]
    pub(in super::super) key: Option<PathBuf>,
    /// Get certificates from Let's Encrypt; this is who is told about them
    #[arg(long, value_name = "MAIL", conflicts_with = "chain")]
    pub(in super::super) acme: Option<String>,
    /// Where the ClearML Server is: host (its ports on this machine), compose (its network), or the name of a machine
    /// [default: host]
    #[arg(long, value_name = "WHERE")]
    pub(in super::super) server: Option<String>,
    /// Let the API server set the cookie's domain itself, as ClearML's documentation has it
    #[arg(long)]
    pub(in super::super) server_cookies: bool,
    /// Write here
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(in super::super) output: PathBuf,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(in super::super) dry_run: bool,
    /// Change existing files without asking
    #[arg(long)]
    pub(in super::super) yes: bool,
}

/// `NAME:ADDR[,ADDR]`; IPv6 addresses may stand in brackets. Without an address the name has none.
fn resolve(text: &str) -> Result<(String, Vec<IpAddr>), String> {
    let (name, addresses) = text.split_once(':').ok_or("expected NAME:ADDR")?;
    let addresses = addresses.split(',').filter(|text| !text.is_empty());
    let parse = |text: &str| text.trim_matches(['[', ']']).parse().map_err(|_| format!("{text} is no address"));
    Ok((name.to_owned(), addresses.map(parse).collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_addresses() {
        for (text, expected) in [
            ("a.test:127.0.0.1", Some(("a.test", vec!["127.0.0.1"]))),
            ("*:127.0.0.1,[::1]", Some(("*", vec!["127.0.0.1", "::1"]))),
            ("a.test:::1", Some(("a.test", vec!["::1"]))),
            ("a.test:", Some(("a.test", vec![]))),
            ("a.test", None),
            ("a.test:b.test", None),
        ] {
            let expected = expected.map(|(name, addresses): (&str, Vec<&str>)| {
                (name.to_owned(), addresses.iter().map(|text| text.parse().unwrap()).collect())
            });
            assert_eq!(resolve(text).ok(), expected, "{text}");
        }
    }
}
