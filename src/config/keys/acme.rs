//! Rows: certificates from an authority.

use super::super::slot::Slot;
use super::Key;

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
        "How names are shown to be yours. http: the authority asks the http listener at port 80;\n\
         tls_alpn: it asks the https listener at port 443; auto: by what is enabled, the other way after a\n\
         failure. With several instances use http: any of them answers for all.",
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
];
