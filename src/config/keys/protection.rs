//! Rows: what is refused although it is well formed.

use super::super::slot::Slot;
use super::Key;

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
];
