//! The arguments of `clearway certs`.

use super::super::args::SourceArgs;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;

/// `clearway certs`.
#[derive(Debug, Subcommand)]
pub(in super::super) enum CertsCommand {
    /// List every certificate that the configuration uses, with what is wrong with it
    List(ListArgs),
    /// Show one certificate in detail
    Show(ShowArgs),
    /// Make a certificate that the local CA, or another authority, signs
    Issue(IssueArgs),
    /// Print how clients come to trust the authority, or do it on this machine
    Trust(TrustArgs),
    /// Try an order out at the staging authority (acme.staging_directory); what is served stays as it is
    ///
    /// The account and the certificate are thrown away. A proxy that runs does it with its own configuration; without
    /// one, the listeners are opened for as long as it takes. acme.enabled does not matter.
    Rehearse(RehearseArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 an order would succeed, 1 it would fail (and why).\n\
                        Examples:\n  clearway certs rehearse --domain clearml.example.com\n  \
                        clearway certs rehearse --config proxy.conf --json")]
pub(in super::super) struct RehearseArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The admin socket of the proxy that runs [default: admin.socket of the configuration, else the usual places]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway certs list\n  clearway certs list --config proxy.conf --json\n\n\
                        Exit codes: 0 all can be used and cover every host, 1 otherwise.")]
pub(in super::super) struct ListArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway certs show app.clearml.example.com\n  clearway certs show site.pem")]
pub(in super::super) struct ShowArgs {
    /// A host of the configuration, or a PEM file
    #[arg(value_name = "NAME|FILE")]
    pub(super) what: String,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  clearway certs issue minio.clearml.localhost --domain clearml.localhost\n  \
                        clearway certs issue '*.ml.corp' --ca intermediate.pem --ca-key intermediate.key --out /etc/ssl/ml")]
pub(in super::super) struct IssueArgs {
    /// Host names, or *. and a name
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The authority's certificate, with those above it [default: local_ca.certificate, else the local CA]
    #[arg(long, value_name = "FILE", requires = "ca_key")]
    pub(super) ca: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "ca")]
    pub(super) ca_key: Option<PathBuf>,
    /// The folder for the two files, called by the first name
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(super) out: PathBuf,
    /// Days that it is good for; no longer than its authority
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=397))]
    pub(super) days: u32,
    /// Replace files that are there
    #[arg(long)]
    pub(super) force: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Without --apply nothing is changed: the steps are printed for you.\n\n\
                        Examples:\n  clearway certs trust\n  sudo clearway certs trust --apply --target debian\n  \
                        clearway certs trust --apply --target nss\n  clearway certs trust --undo --apply --target nss")]
pub(in super::super) struct TrustArgs {
    #[command(flatten)]
    pub(super) source: SourceArgs,
    /// The authority's certificate [default: that of the configuration]
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// For whom; repeat for several [default: everybody, with --apply what is found on this machine]
    #[arg(long, value_enum, value_name = "TARGET")]
    pub(super) target: Vec<Target>,
    /// Carry the steps out on this machine
    #[arg(long)]
    pub(super) apply: bool,
    /// The opposite: clients trust it no more
    #[arg(long)]
    pub(super) undo: bool,
    /// Below this folder instead of /, as for an image that is being built
    #[arg(long, value_name = "FOLDER")]
    pub(super) root: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Who is to trust the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Target {
    /// Debian and Ubuntu: curl, git, and what uses the system's list
    Debian,
    /// Fedora, RHEL and their like
    Fedora,
    /// macOS: Safari, Chrome, curl
    Macos,
    /// Windows: Edge, Chrome
    Windows,
    /// Firefox and Chromium on Linux, which have lists of their own
    Nss,
    /// Python's requests, and with it the ClearML SDK
    Python,
    /// clearml.conf of SDK and agent
    Clearml,
    /// Containers that an agent starts
    Agent,
}

impl Target {
    pub(super) const ALL: [Self; 8] =
        [Self::Debian, Self::Fedora, Self::Macos, Self::Windows, Self::Nss, Self::Python, Self::Clearml, Self::Agent];

    /// As on the command line.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Fedora => "fedora",
            Self::Macos => "macos",
            Self::Windows => "windows",
            Self::Nss => "nss",
            Self::Python => "python",
            Self::Clearml => "clearml",
            Self::Agent => "agent",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Debian => "Debian, Ubuntu",
            Self::Fedora => "Fedora, RHEL",
            Self::Macos => "macOS",
            Self::Windows => "Windows",
            Self::Nss => "Firefox and Chromium on Linux",
            Self::Python => "Python (requests, ClearML SDK)",
            Self::Clearml => "clearml.conf",
            Self::Agent => "containers of an agent",
        }
    }
}
