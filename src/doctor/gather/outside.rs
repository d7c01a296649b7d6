//! What is asked through the proxy, as browsers and the SDK ask it. Nothing is stored, and nothing is changed.

use super::super::client::{Ask, AskBody, ask_plain, ask_tls};
use super::super::evidence::{Answer, Evidence, Question};
use super::super::finding::Skipped;
use super::super::url::Url;
use super::{Plan, doors, url_of};
use crate::clearml::{PUBLISHED_KEYS, SHORT_LOGIN, basic};
use crate::domain::names::ServiceName;
use crate::tls::ClientTls;
use bytes::Bytes;
use http::Method;
use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN,
};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a refusal of a large body is waited for: proxies with a limit refuse at once, by the announced length.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(1_500);

/// What is announced: more than nginx's default of 1 MB and other usual limits, and what the SDK sends at most twice.
const LARGE_UPLOAD: u64 = 10 << 30;
const LARGE_CALL: u64 = 32 << 20;

/// A body that the API server repeats: it shows whether a body on a GET arrives.
const PING_BODY: &str = r#"{"clearway":"doctor"}"#;

/// A multipart body with no part: an upload of no file.
const NOTHING: &[u8] = b"--clearway--\r\n";
pub(super) const MULTIPART: &str = "multipart/form-data; boundary=clearway";

/// Asks what can be asked; names that were not reached are left out.
pub(super) async fn ask(plan: &Plan, tls: &ClientTls, evidence: &mut Evidence, skipped: &mut Vec<Skipped>) {
    for question in [
        Question::Page,
        Question::WebConfiguration,
        Question::AppApi,
        Question::AppFiles,
        Question::ApiRoot,
        Question::Ping,
        Question::PingWithBody,
        Question::Modes,
        Question::Preflight,
        Question::FilesRoot,
        Question::FilesMissing,
        Question::EmptyUpload,
    ] {
        secured(tls, evidence, question, plain_question(question, &plan.urls.get(ServiceName::App).origin())).await;
    }
    let announced = async |question: Question, bytes| {
        let url = url_of(&plan.urls, question);
        let addr = addr_of(evidence, url)?;
        Some((question, ask_tls(tls, addr, url, large(question, &url.path, bytes)).await))
    };
    let (upload, call) =
        tokio::join!(announced(Question::LargeUpload, LARGE_UPLOAD), announced(Question::LargeCall, LARGE_CALL));
    evidence.answers.extend(upload.into_iter().chain(call));
    login(plan, tls, evidence, skipped).await;
    plain(plan, evidence, skipped).await;
}

/// The address at which a URL's port was reached and spoke TLS.
pub(super) fn addr_of(evidence: &Evidence, url: &Url) -> Option<SocketAddr> {
    let door = evidence.doors.iter().find(|door| door.host == url.host && door.port == url.port)?;
    let spoke = matches!(door.tls, Some(Ok(_)));
    door.reached.as_ref()?.as_ref().ok().filter(|_| spoke).copied()
}

async fn secured(tls: &ClientTls, evidence: &mut Evidence, question: Question, mut ask: Ask) {
    let url = url_of(&evidence.urls, question).clone();
    let Some(addr) = addr_of(evidence, &url) else { return };
    ask.target = format!("{}{}", url.path, ask.target);
    if ask.target.is_empty() {
        ask.target = String::from("/");
    }
    let answer: Answer = ask_tls(tls, addr, &url, ask).await;
    evidence.answers.insert(question, answer);
}

/// What is asked, its path below the service's URL.
fn plain_question(question: Question, page: &str) -> Ask {
    let page = || page.to_owned();
    match question {
        Question::WebConfiguration => Ask::get("/configuration.json"),
        Question::AppApi => Ask::get("/api/debug.ping"),
        Question::AppFiles | Question::PlainPage => {
            Ask::get(if question == Question::AppFiles { "/files/" } else { "/" })
        }
        Question::Ping => Ask::get("/debug.ping").field(ORIGIN, page()),
        Question::PingWithBody => Ask::get("/debug.ping").json(PING_BODY),
        Question::Modes => Ask::get("/v2.1/login.supported_modes").field(ORIGIN, page()),
        Question::Preflight => Ask { method: Method::OPTIONS, ..Ask::get("/v2.1/auth.login") }
            .field(ORIGIN, page())
            .field(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .field(ACCESS_CONTROL_REQUEST_HEADERS, "content-type,x-clearml-client"),
        Question::FilesMissing => Ask::get("/clearway-doctor/not-there"),
        // Exactly as the SDK asks: no slash behind the URL.
        Question::EmptyUpload => {
            Ask::post("", AskBody::Bytes(Bytes::from_static(NOTHING))).field(CONTENT_TYPE, MULTIPART)
        }
        _ => Ask::get("/"),
    }
}

/// A request with many bytes announced, of which none is sent.
fn large(question: Question, path: &str, bytes: u64) -> Ask {
    let (target, kind) = match question {
        Question::LargeCall => (format!("{path}/v2.1/events.add_batch"), "application/json-lines"),
        _ => (if path.is_empty() { String::from("/") } else { path.to_owned() }, MULTIPART),
    };
    let ask = Ask::post(target, AskBody::Announced(bytes)).field(CONTENT_TYPE, kind);
    Ask { patience: REFUSAL_PATIENCE, ..ask }
}

/// Signs in: with the user's own key, else as the web UI does where there are no passwords.
async fn login(plan: &Plan, tls: &ClientTls, evidence: &mut Evidence, skipped: &mut Vec<Skipped>) {
    let what = "login cookie";
    let open = evidence.fixed_users() == Some(false);
    let published = || PUBLISHED_KEYS.iter().find(|pair| pair.name == "webserver").map(|pair| pair.authorization());
    if plan.quick {
        skipped.push(Skipped { what, why: String::from("--quick") });
        return;
    }
    let authorization = match &plan.credentials {
        Some((key, secret)) => Some(basic(key, secret)),
        None if open => published(),
        None => None,
    };
    match authorization {
        Some(value) => {
            let ask = Ask::get("/v2.1/auth.login").json(SHORT_LOGIN).field(AUTHORIZATION, value);
            secured(tls, evidence, Question::Login, ask).await;
        }
        None => skipped.push(Skipped {
            what,
            why: String::from(
                "no login: set CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY, or give --apiserver-conf",
            ),
        }),
    }
}

/// The same names over plain http.
async fn plain(plan: &Plan, evidence: &mut Evidence, skipped: &mut Vec<Skipped>) {
    let Some(port) = plan.plain_port else {
        skipped.push(Skipped { what: "http listener", why: String::from("there is none, by the configuration") });
        return;
    };
    for question in [Question::PlainPage, Question::PlainUpload, Question::PlainCall] {
        let url = Url { port, ..url_of(&plan.urls, question).clone() };
        let Ok(addresses) = doors::addresses(plan, &url.host).await else { continue };
        let Some(ip) = addresses.first() else { continue };
        let ask = match question {
            Question::PlainUpload => {
                let target = if url.path.is_empty() { "/" } else { url.path.as_str() };
                Ask::post(target, AskBody::Bytes(Bytes::from_static(NOTHING))).field(CONTENT_TYPE, MULTIPART)
            }
            Question::PlainCall => Ask::get(format!("{}/debug.ping", url.path)).json(PING_BODY),
            _ => Ask::get(format!("{}/", url.path)),
        };
        let answer = ask_plain(SocketAddr::new(*ip, port), &url.authority(80), ask).await;
        evidence.answers.insert(question, answer);
    }
}
