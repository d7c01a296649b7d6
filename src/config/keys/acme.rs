//! Rows: certificates from an authority.

use super::super::slot::Slot;
use super::Key;
use crate::domain::names::HostName;
use std::time::Duration;

/// From one second to ten minutes.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// Secondary servers may take an hour to see a change.
const PROPAGATION: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3_600));

/// None, or up to an hour.
const DELAYS: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3_600));

/// With more than a day of attempts the second authority would come too late.
const AFTER_MAX: u64 = 20;

/// More would only be refused: public authorities allow five failures an hour.
const ATTEMPTS_MAX: u64 = 48;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "acme.enabled",
        Slot::Switch(|settings| &mut settings.acme.enabled),
        "Whether to obtain certificates for all names that are served. You agree to the authority's terms\n\
         with it. Until the first one is there, one of the local CA is served. Keep certificate_folder:\n\
         account and certificate lie below it.",
    ),
    Key::new(
        "acme.directory",
        Slot::Directory(|settings| &mut settings.acme.directory),
        "The authority: the URL of its directory. To try a set-up out, use Let's Encrypt's staging:\n\
         \"https://acme-staging-v02.api.letsencrypt.org/directory\".",
    ),
    Key::new(
        "acme.ca",
        Slot::FileOrNone(|settings| &mut settings.acme.ca),
        "PEM file of the authorities that the directory's own certificate may come from, for an\n\
         authority inside your network.",
    )
    .unset("the public ones", "\"ca.pem\""),
    Key::new(
        "acme.email",
        Slot::WordOrNone(
            |settings| &mut settings.acme.email,
            (
                "e-mail address",
                |text| matches!(text.split_once('@'), Some((name, host)) if !name.is_empty() && host.contains('.')),
            ),
        ),
        "Where the authority may write to; told when the account is made.",
    )
    .unset("none", "\"ops@example.com\""),
    Key::new(
        "acme.challenge",
        Slot::Challenge(|settings| &mut settings.acme.challenge),
        "How names are shown to be yours. http: the authority asks the http listener at port 80; tls_alpn:\n\
         the https listener at port 443; dns: a record (acme.dns). auto: dns where it is set up, then by what\n\
         is enabled, the next way after a failure. Several instances: http or dns, any answers for all.",
    ),
    Key::new(
        "acme.profile",
        Slot::WordOrNone(|settings| &mut settings.acme.profile, ("name", |_| true)),
        "Which kind of certificate, of those that the authority offers.",
    )
    .unset("the authority's choice", "\"shortlived\""),
    Key::new(
        "acme.external_account.id",
        Slot::WordOrNone(|settings| &mut settings.acme.external_account.id, ("name", |_| true)),
        "Its name, as the authority gives it.",
    )
    .unset("none", "\"kid-1\""),
    Key::new(
        "acme.external_account.key_file",
        Slot::FileOrNone(|settings| &mut settings.acme.external_account.key_file),
        "The file with its key, base64url as the authority gives it.",
    )
    .unset("none", "\"eab.key\""),
    Key::new(
        "acme.attempts_per_day",
        Slot::Count(|settings| &mut settings.acme.attempts_per_day, (1, ATTEMPTS_MAX)),
        "Attempts within 24 hours at most, over all instances that share the folder. Failures are also\n\
         followed by pauses, from half a minute to hours.",
    ),
    Key::new(
        "acme.first_pause",
        Slot::Duration(|settings| &mut settings.acme.first_pause, (Duration::from_secs(1), Duration::from_secs(3_600))),
        "The pause after a failure. Each further failure makes it three times as long, up to hours.",
    ),
    Key::new(
        "acme.timeout",
        Slot::Duration(|settings| &mut settings.acme.timeout, WAITS),
        "How long the authority may take for one answer.",
    ),
    Key::new(
        "acme.wildcard",
        Slot::Switch(|settings| &mut settings.acme.wildcard),
        "Whether to ask for *.domain and domain instead of the three names below it. Authorities give that\n\
         by dns only.",
    ),
    Key::new(
        "acme.staging_directory",
        Slot::Directory(|settings| &mut settings.acme.staging_directory),
        "Where `clearway certs rehearse` tries a whole order out, with an account that is thrown away.",
    ),
    Key::new(
        "acme.staging_ca",
        Slot::FileOrNone(|settings| &mut settings.acme.staging_ca),
        "As acme.ca, for that directory.",
    )
    .unset("the public ones", "\"ca.pem\""),
    Key::new(
        "acme.fallback.directory",
        Slot::DirectoryOrNone(|settings| &mut settings.acme.fallback.directory),
        "Its directory. An account is made there when it is first needed.",
    )
    .unset("none", "\"https://acme.zerossl.com/v2/DV90\""),
    Key::new(
        "acme.fallback.after",
        Slot::Count(|settings| &mut settings.acme.fallback.after, (1, AFTER_MAX)),
        "Failures in a row at the first authority until this one is asked, by turns from then on. One that\n\
         is rate limited (Retry-After) is not waited for. The next renewal begins with the first again.",
    ),
    Key::new(
        "acme.fallback.ca",
        Slot::FileOrNone(|settings| &mut settings.acme.fallback.ca),
        "As acme.ca, for that directory.",
    )
    .unset("the public ones", "\"ca.pem\""),
    Key::new(
        "acme.fallback.profile",
        Slot::WordOrNone(|settings| &mut settings.acme.fallback.profile, ("name", |_| true)),
        "As acme.profile, for that directory.",
    )
    .unset("the authority's choice", "\"shortlived\""),
    Key::new(
        "acme.fallback.external_account.id",
        Slot::WordOrNone(|settings| &mut settings.acme.fallback.external_account.id, ("name", |_| true)),
        "Its name, as the authority gives it.",
    )
    .unset("none", "\"kid-1\""),
    Key::new(
        "acme.fallback.external_account.key_file",
        Slot::FileOrNone(|settings| &mut settings.acme.fallback.external_account.key_file),
        "The file with its key, base64url as the authority gives it.",
    )
    .unset("none", "\"eab.key\""),
    Key::new(
        "acme.dns.hook",
        Slot::Texts(|settings| &mut settings.acme.dns.hook),
        "A program and its first arguments. Run without a shell, as: program ... present|cleanup domain\n\
         record value; the same stands in CLEARWAY_ACME_ACTION, _DOMAIN, _RECORD and _VALUE. It adds or\n\
         removes one TXT record and leaves others of the same name alone. Exit code 0 means done.",
    ),
    Key::new(
        "acme.dns.hook_timeout",
        Slot::Duration(|settings| &mut settings.acme.dns.hook_timeout, WAITS),
        "How long one run of it may take; it is killed then, with what it has started.",
    ),
    Key::new(
        "acme.dns.servers",
        Slot::NameServers(|settings| &mut settings.acme.dns.servers),
        "Servers that take signed updates (RFC 2136) over TCP, such as BIND, Knot and PowerDNS; the first\n\
         that can be reached gets them.",
    ),
    Key::new(
        "acme.dns.key_file",
        Slot::FileOrNone(|settings| &mut settings.acme.dns.key_file),
        "The key that signs updates, as `tsig-keygen -a hmac-sha256 name` prints it.",
    )
    .unset("none", "\"/etc/clearway/dns.key\""),
    Key::new(
        "acme.dns.zone",
        Slot::WordOrNone(
            |settings| &mut settings.acme.dns.zone,
            ("name of a zone", |text| HostName::parse(text).is_ok()),
        ),
        "The zone that is updated.",
    )
    .unset("the one that the server names", "\"example.com\""),
    Key::new(
        "acme.dns.look",
        Slot::Switch(|settings| &mut settings.acme.dns.look),
        "Whether servers of the DNS are asked until they show the records, before the authority is.",
    ),
    Key::new(
        "acme.dns.resolvers",
        Slot::NameServers(|settings| &mut settings.acme.dns.resolvers),
        "Who is asked, over TCP; all of them have to show the records. None named: those that the zone\n\
         itself names.",
    ),
    Key::new(
        "acme.dns.propagation_timeout",
        Slot::Duration(|settings| &mut settings.acme.dns.propagation_timeout, PROPAGATION),
        "How long they may take to show them; after that the attempt has failed.",
    ),
    Key::new(
        "acme.dns.propagation_delay",
        Slot::Duration(|settings| &mut settings.acme.dns.propagation_delay, DELAYS),
        "How much longer to wait before the authority looks.",
    ),
];
