//! A test file: stored, fetched, compared, deleted. Only where that is asked for.

use super::super::client::{Ask, AskBody, Pattern, ask_tls, compare};
use super::super::evidence::{Echo, Evidence, Question, Unheard};
use super::super::finding::Skipped;
use super::outside::MULTIPART;
use super::{Plan, outside};
use crate::clearml::{basic, bearer};
use crate::runtime::wall;
use crate::tls::ClientTls;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

/// For each of the three steps: two minutes for 100 MiB, which is 7 Mbit/s, and as fast for more.
fn patience(length: u64) -> Duration {
    const LEAST: Duration = Duration::from_secs(120);
    const SLOWEST: u64 = (100 << 20) / 120;
    LEAST.max(Duration::from_secs(length / SLOWEST))
}

/// What login is asked with: long enough for the three steps, also with the largest file.
const LIVED: &str = r#"{"expiration_sec":4000}"#;

/// Carries the file there and back.
pub(super) async fn carry(
    plan: &Plan,
    tls: &ClientTls,
    evidence: &Evidence,
    skipped: &mut Vec<Skipped>,
) -> Option<Echo> {
    let what = "test file";
    let Some(length) = plan.upload else {
        skipped.push(Skipped { what, why: String::from("it would be stored on the server; --upload allows it") });
        return None;
    };
    let Some(addr) = outside::addr_of(evidence, &plan.urls.files) else {
        skipped.push(Skipped { what, why: String::from("the file server was not reached") });
        return None;
    };
    let url = &plan.urls.files;
    let token = token(plan, tls, evidence).await;
    let signed = |ask: Ask| Ask {
        patience: patience(length),
        ..match &token {
            Some(token) => ask.field(AUTHORIZATION, bearer(token)),
            None => ask,
        }
    };
    let stamp = wall().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = format!("clearway-doctor/{stamp:x}.bin");
    let path = format!("{}/{name}", url.path);
    let target = if url.path.is_empty() { "/" } else { url.path.as_str() };
    let upload = Ask::post(target, multipart(&name, length)).field(CONTENT_TYPE, MULTIPART);
    match ask_tls(tls, addr, url, signed(upload)).await {
        Ok(heard) if heard.status == StatusCode::OK => {}
        Ok(heard) if heard.status == StatusCode::UNAUTHORIZED && token.is_none() => {
            skipped.push(Skipped { what, why: String::from("the file server wants a login, and none was given") });
            return None;
        }
        Ok(heard) => return Some(Echo::Failed(format!("the upload was answered {}", heard.told()))),
        Err(why) => return Some(Echo::Failed(format!("the upload broke: {}", told(&why)))),
    }
    let fetched = compare(tls, addr, url, signed(Ask::get(path.clone())), Pattern::of(length)).await;
    let removal = Ask { method: Method::DELETE, ..Ask::get(path.clone()) };
    let removed = ask_tls(tls, addr, url, signed(removal)).await;
    let gone = removed.as_ref().is_ok_and(|heard| heard.status.is_success());
    Some(match fetched {
        Err(why) => Echo::Failed(format!("the download broke: {}", told(&why))),
        Ok(false) => Echo::Changed,
        Ok(true) if gone => Echo::Same,
        Ok(true) => {
            let how = removed.map_or_else(|why| told(&why), |heard| heard.told());
            Echo::Kept(format!("{url}/{name}: DELETE was answered {how}"))
        }
    })
}

/// As the SDK has it: the path is the part's name.
fn multipart(name: &str, length: u64) -> AskBody {
    let begin = format!(
        "--clearway\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    AskBody::Made {
        begin: Bytes::from(begin),
        made: Pattern::of(length),
        end: Bytes::from_static(b"\r\n--clearway--\r\n"),
    }
}

/// A token for the file server; none without a login, which servers without files authentication do not need.
async fn token(plan: &Plan, tls: &ClientTls, evidence: &Evidence) -> Option<String> {
    let (key, secret) = plan.credentials.as_ref()?;
    let url = &plan.urls.api;
    let addr = outside::addr_of(evidence, url)?;
    evidence.heard(Question::Login)?;
    let ask = Ask::get(format!("{}/v2.1/auth.login", url.path)).json(LIVED).field(AUTHORIZATION, basic(key, secret));
    let told = ask_tls(tls, addr, url, ask).await.ok()?;
    let told = serde_json::from_slice::<Value>(&told.body).ok()?;
    Some(told.get("data")?.get("token")?.as_str()?.to_owned())
}

fn told(why: &Unheard) -> String {
    match why {
        Unheard::Unreachable(text) | Unheard::Broken(text) => text.clone(),
        Unheard::Silent => String::from("no answer in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_as_much_time_for_each_byte_as_a_usual_one() {
        for (mebibytes, seconds) in [(1, 120), (100, 120), (200, 240), (1_024, 1_228)] {
            assert_eq!(patience(mebibytes << 20).as_secs(), seconds, "{mebibytes} MiB");
        }
        let lived = serde_json::from_str::<Value>(LIVED).unwrap()["expiration_sec"].as_u64().unwrap();
        assert!(lived > 3 * patience(1 << 30).as_secs());
    }
}
