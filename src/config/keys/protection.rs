//! Rows: what is refused although it is well formed.

use super::super::slot::{Bounds, Slot};
use super::Key;
use std::time::Duration;

/// The SDK gives up its first call after 10 s.
const WAIT: Bounds<Duration> = (Duration::ZERO, Duration::from_secs(9));

/// How long something may be remembered.
const MEMORY: Bounds<Duration> = (Duration::from_millis(1), Duration::from_secs(30 * 24 * 3_600));

/// What is remembered of each thing takes about one hundred bytes.
const COUNT: Bounds<u64> = (1, 10_000_000);

/// Failures that are borne at once.
const FAILURES: Bounds<u64> = (1, 1_000_000);

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "protection.cross_site.refuse",
        Slot::Switch(|settings| &mut settings.protection.cross_site.refuse),
        "Whether requests with a cookie that a page other than the web UI makes to the API or the file\n\
         server are answered 403. Such a page could act as whoever is signed in and opens it.\n\
         SDKs and agents are never concerned.",
    ),
    Key::new(
        "protection.cross_site.allowed_pages",
        Slot::Pages(|settings| &mut settings.protection.cross_site.allowed_pages),
        "Pages that may do so besides the web UI: a portal that embeds plots, a notebook server.",
    )
    .unset("none", "[\"https://wiki.example.com\"]"),
    Key::new(
        "protection.cross_site.file_links",
        Slot::Switch(|settings| &mut settings.protection.cross_site.file_links),
        "Whether a link on a foreign page (a chat, a wiki) may open a file. Reading changes nothing,\n\
         and the foreign page does not see what is read.",
    ),
    Key::new(
        "protection.files.sandbox",
        Slot::Switch(|settings| &mut settings.protection.files.sandbox),
        "Whether HTML, SVG and XML files are shown in a sandbox (Content-Security-Policy), so that an\n\
         uploaded page cannot act as whoever opens it.",
    ),
    Key::new(
        "protection.files.refuse_removal",
        Slot::Switch(|settings| &mut settings.protection.files.refuse_removal),
        "Whether DELETE and /delete_many on the file server are answered 403. Any valid token removes\n\
         any file there. ClearML's own removal (async_delete) does not come through this proxy;\n\
         removing files in the web UI and by the SDK does.",
    ),
    Key::new(
        "protection.files.removal_from",
        Slot::Networks(|settings| &mut settings.protection.files.removal_from),
        "Networks from which files may be removed although refuse_removal is on.",
    )
    .unset("none", "[\"10.0.0.0/8\"]"),
    Key::new(
        "protection.token_gate.enabled",
        Slot::Switch(|settings| &mut settings.protection.token_gate.enabled),
        "Whether a request to the file server needs a token that the API server accepts, as a Bearer\n\
         token or in a cookie. Without one it is answered 401 before its body is read; while the API\n\
         server does not answer, 503.",
    ),
    Key::new(
        "protection.token_gate.cookies",
        Slot::Texts(|settings| &mut settings.protection.token_gate.cookies),
        "Names of the cookies that hold a token; ClearML's Helm chart sets clearml-token-k8s.",
    ),
    Key::new(
        "protection.token_gate.keep_accepted",
        Slot::Duration(|settings| &mut settings.protection.token_gate.keep_accepted, MEMORY),
        "How long the API server is not asked again about a token that it accepted. A logout takes\n\
         effect on files after this long.",
    ),
    Key::new(
        "protection.token_gate.keep_refused",
        Slot::Duration(|settings| &mut settings.protection.token_gate.keep_refused, MEMORY),
        "How long it is not asked again about a token that it refused.",
    ),
    Key::new(
        "protection.token_gate.tokens",
        Slot::Count(|settings| &mut settings.protection.token_gate.tokens, COUNT),
        "Accepted tokens remembered, and as many refused ones; the oldest are forgotten.",
    ),
    Key::new(
        "protection.token_gate.checks",
        Slot::Count(|settings| &mut settings.protection.token_gate.checks, (1, 10_000)),
        "Questions to the API server at the same time; further ones wait. Needs a restart.",
    ),
    Key::new(
        "protection.token_gate.timeout",
        Slot::Duration(|settings| &mut settings.protection.token_gate.timeout, (Duration::from_millis(1), MEMORY.1)),
        "How long a request waits for the verdict on its token before 503.",
    ),
    Key::new(
        "protection.logins.shield",
        Slot::Switch(|settings| &mut settings.protection.logins.shield),
        "Whether logins are made to wait and then answered 429 after too many failures. Credentials\n\
         that logged in lately are always let through.",
    ),
    Key::new(
        "protection.logins.user_failures",
        Slot::Number(|settings| &mut settings.protection.logins.user.burst, FAILURES),
        "Failures that are borne for one user or access key.",
    ),
    Key::new(
        "protection.logins.user_pause",
        Slot::Duration(|settings| &mut settings.protection.logins.user.pause, MEMORY),
        "After this long one of them is forgiven.",
    ),
    Key::new(
        "protection.logins.address_failures",
        Slot::Number(|settings| &mut settings.protection.logins.address.burst, FAILURES),
        "Failures that are borne from one address (of IPv6: one /64). Behind a load balancer that is\n\
         not in trusted_proxies everybody has the same.",
    ),
    Key::new(
        "protection.logins.address_pause",
        Slot::Duration(|settings| &mut settings.protection.logins.address.pause, MEMORY),
        "After this long one of them is forgiven.",
    ),
    Key::new(
        "protection.logins.delay",
        Slot::Duration(|settings| &mut settings.protection.logins.delay, WAIT),
        "The longest that one login is made to wait; it grows from half of the failures on.",
    ),
    Key::new(
        "protection.logins.remember",
        Slot::Duration(|settings| &mut settings.protection.logins.remember, MEMORY),
        "How long credentials that logged in are let through.",
    ),
    Key::new(
        "protection.logins.remembered",
        Slot::Count(|settings| &mut settings.protection.logins.remembered, COUNT),
        "Users, addresses and good credentials remembered, of each so many.",
    ),
    Key::new(
        "protection.default_keys.check",
        Slot::Switch(|settings| &mut settings.protection.default_keys.check),
        "Whether the API server is asked, at start and daily, if the published logins and the published\n\
         token secret open it. What is found is logged and counted; nothing is refused.",
    ),
    Key::new(
        "protection.default_keys.every",
        Slot::Duration(|settings| &mut settings.protection.default_keys.every, (Duration::from_secs(1), MEMORY.1)),
        "Between two rounds.",
    ),
];
