//! Rows: TLS with clients.

use super::super::slot::Slot;
use super::Key;
use std::time::Duration;

/// Far above what one machine shakes hands with at a time.
const HANDSHAKES_MAX: u64 = 1 << 20;

/// Below, a failing client is not slowed; above, no client waits so long.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "tls.policy",
        Slot::TlsPolicy(|settings| &mut settings.tls.policy),
        "Versions, cipher suites and groups. modern: TLS 1.3 alone. default: TLS 1.2 and 1.3. compatible:\n\
         all that the library has; it has nothing older than TLS 1.2 and no CBC or RSA key exchange, so\n\
         clients that need these must be updated. docs/reference/tls-policies.md lists them.",
    ),
    Key::new(
        "tls.client_certificates",
        Slot::ClientRules(|settings| &mut settings.tls.client_rules),
        "Hosts that ask clients for certificates (mTLS): mode off, optional or required; roots: PEM file of\n\
         their authorities; crls: revocation lists, one for each of these; expired_crl: \"use\" an outdated\n\
         list or \"refuse\" those it is about. Names may be \"*.example.com\"; an exact name goes first.",
    )
    .unset("none", "[ { hosts: [\"api.clearml.example.com\"], mode: \"required\", roots: \"agents.pem\" } ]"),
    Key::new(
        "tls.handshakes.at_once",
        Slot::Count(|settings| &mut settings.tls.handshakes.at_once, (1, HANDSHAKES_MAX)),
        "Handshakes under way in the whole process. timeouts.handshake ends each.",
    ),
    Key::new(
        "tls.handshakes.waiting",
        Slot::CountOrZero(|settings| &mut settings.tls.handshakes.waiting, (0, HANDSHAKES_MAX)),
        "Connections that wait until their handshake may begin; more are closed.",
    ),
    Key::new(
        "tls.handshakes.failures",
        Slot::Count(|settings| &mut settings.tls.handshakes.failures, (1, HANDSHAKES_MAX)),
        "Failed handshakes of one address (IPv6: of one /64) before its next connections are slowed. Only\n\
         failures count, and a slowed connection is still served, so that nobody is shut out by a\n\
         neighbour behind the same address. Networks of trusted_proxies are not slowed.",
    ),
    Key::new(
        "tls.handshakes.pause",
        Slot::Duration(|settings| &mut settings.tls.handshakes.pause, PAUSES),
        "How long a slowed connection waits before its handshake; also the time that pays for one failure.",
    ),
    Key::new(
        "tls.handshakes.slowed",
        Slot::CountOrZero(|settings| &mut settings.tls.handshakes.slowed, (0, HANDSHAKES_MAX)),
        "Slowed connections of one address; more are closed before any cryptography. With 0 every\n\
         connection of such an address is closed.",
    ),
    Key::new(
        "tls.handshakes.addresses",
        Slot::Count(|settings| &mut settings.tls.handshakes.addresses, (1, HANDSHAKES_MAX)),
        "Addresses whose failures are remembered.",
    ),
];
