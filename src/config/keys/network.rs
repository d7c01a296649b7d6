//! Rows: workers, listeners, certificates, services.

use super::super::slot::Slot;
use super::Key;
use crate::domain::units::ByteSize;

/// Threads; far above any machine this was measured on.
const WORKERS_MAX: u64 = 1_024;

/// The smallest body limit that leaves the web UI usable.
const BODY_MIN: ByteSize = ByteSize::kib(1);

/// A body limit above this is none (1 EiB); it keeps sums of bytes inside 64 bits.
const BODY_MAX: ByteSize = ByteSize::mib(1 << 40);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "workers",
        Slot::Count(|settings| &mut settings.workers, (1, WORKERS_MAX)),
        "Worker threads, each with its own listening sockets and target connections.\n\
         Lower it to leave cores to other programs. A change needs a restart.",
    )
    .unset("one per core", "2"),
    Key::new(
        "listeners.https.enabled",
        Slot::Switch(|settings| &mut settings.https.enabled),
        "Whether to listen for TLS.",
    ),
    Key::new(
        "listeners.https.bind",
        Slot::Binds(|settings| &mut settings.https.bind),
        "Where to listen: ports, or addresses with a port. A port alone means every address, IPv6\n\
         and IPv4; port 0 takes a free one.",
    ),
    Key::new(
        "listeners.https.public_port",
        Slot::PortOrNone(|settings| &mut settings.https.public_port),
        "The port that clients use, where something in front maps it (docker -p 443:8443).\n\
         Redirects and messages name it.",
    )
    .unset("the port of bind", "443"),
    Key::new(
        "listeners.http.enabled",
        Slot::Switch(|settings| &mut settings.http.enabled),
        "Whether to listen for plain HTTP. Page loads are redirected to https; uploads get an error\n\
         that names the https URL, because a redirect would lose them.",
    ),
    Key::new(
        "listeners.http.bind",
        Slot::Binds(|settings| &mut settings.http.bind),
        "Where to listen: ports, or addresses with a port.",
    ),
    Key::new(
        "listeners.http.public_port",
        Slot::PortOrNone(|settings| &mut settings.http.public_port),
        "The port that clients use, where something in front maps it.",
    )
    .unset("the port of bind", "80"),
    Key::new(
        "certificates",
        Slot::Certificates(|settings| &mut settings.certificates),
        "PEM files: chain (leaf first, then intermediates) and key. Several are picked by the name the\n\
         client asks for. Relative paths: beside the file that names them if it is there, else below\n\
         the working directory. Without any, a local CA is made in certificate_folder.",
    )
    .unset("none", "[ { chain: \"certs/site.pem\", key: \"certs/site.key\" } ]"),
    Key::new(
        "certificate_folder",
        Slot::Folder(|settings| &mut settings.certificate_folder),
        "The folder of the local CA and its certificates. Keep it: clients trust this CA.\n\
         Relative paths are looked up as for certificates.",
    ),
    Key::new(
        "services.app.targets",
        Slot::Targets(|settings| &mut settings.services.app.targets),
        "Addresses of the web server. Names are looked up again every few seconds.",
    ),
    Key::new(
        "services.app.max_body",
        Slot::SizeOrNone(|settings| &mut settings.services.app.max_body, (BODY_MIN, BODY_MAX)),
        "The largest request body; more is answered 413.",
    )
    .unset("no limit", "64MiB"),
    Key::new(
        "services.api.targets",
        Slot::Targets(|settings| &mut settings.services.api.targets),
        "Addresses of the API server.",
    ),
    Key::new(
        "services.api.max_body",
        Slot::SizeOrNone(|settings| &mut settings.services.api.max_body, (BODY_MIN, BODY_MAX)),
        "The largest request body; more is answered 413. Large plots and many scalars come in one\n\
         request: leave at least 64MiB.",
    )
    .unset("no limit", "64MiB"),
    Key::new(
        "services.files.targets",
        Slot::Targets(|settings| &mut settings.services.files.targets),
        "Addresses of the file server.",
    ),
    Key::new(
        "services.files.max_body",
        Slot::SizeOrNone(|settings| &mut settings.services.files.max_body, (BODY_MIN, BODY_MAX)),
        "The largest request body; more is answered 413. Models and datasets are uploaded whole.",
    )
    .unset("no limit", "100GiB"),
    Key::new(
        "trusted_proxies",
        Slot::Networks(|settings| &mut settings.trusted_proxies),
        "Networks of load balancers in front of this proxy whose X-Forwarded-* headers are believed.\n\
         Everybody else's are replaced.",
    )
    .unset("none: nobody is believed", "[\"10.0.0.0/8\"]"),
];
