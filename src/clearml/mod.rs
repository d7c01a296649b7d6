//! What ClearML's server, SDK and web UI expect; pure rules, and the only folder that knows them.
//!
//! Read from the sources of server 2.3.0, SDK 2.1.7 to 2.1.12, agent 3.0.3 and the web UI's 2.5 line, and checked
//! against recordings of server 2.3.0, SDK 2.1.12 and web UI 2.3.0 in Chromium.

mod action;
mod caller;
mod client_conf;
mod cookie;
mod cors;
mod cross_site;
mod detour;
mod downloads;
mod envelope;
mod fixed_users;
mod health_check;
mod login;
mod login_cookie;
mod misplaced;
mod published;
mod recognise;
mod redirect;
mod removal;
mod stored_page;
mod token;
mod web_urls;

pub use action::Action;
pub use caller::{Caller, Program, client_version};
pub use client_conf::{
    CA_IN_CONTAINER, ProxyPlace, client_compose, client_conf, client_env, compose_mount, cookie_section, quoted,
    server_override,
};
pub use cookie::{
    Repaired, cookie_domain, doubled as doubled_cookie, expired as expired_cookie, repair as repair_cookie,
};
pub use cors::{cors_origin, same_host};
pub use cross_site::{PageVerdict, judge_page};
pub use detour::detour;
pub use downloads::is_download;
pub use envelope::{FaultBody, fault_answer};
pub use fixed_users::{
    KNOWN_FIELDS, PASSWORD_BYTES_MAX, PasswordFinding, PasswordForm, REQUIRED_FIELDS, bcrypt_hash, password_field,
    password_findings, password_form,
};
pub use health_check::is_health_check;
pub use login::{LoginEnd, LoginTry};
pub use login_cookie::{LoginCookie, cookie_reaches};
pub use misplaced::{Misplaced, correction, misplaced};
pub use published::{
    PUBLISHED_KEYS, PUBLISHED_SECRETS, PublishedKey, PublishedSecret, SECRET_REMEDY, SHORT_LOGIN, basic, lets_in,
    published_secret_of, refused_for_age, token_set_by,
};
pub use recognise::recognise;
pub use redirect::{Lead, lead};
pub use removal::removes_files;
pub use stored_page::{SANDBOX, needs_sandbox};
pub use token::{TOKEN_QUESTION, TokenVerdict, bearer, login_of, needs_no_token, token_verdict, tokens_of};
pub use web_urls::{NotAnObject, UiUrls, WebUrls, is_web_configuration, ui_urls, web_urls};
