//! Logins: the demo's one key pair, and the tokens made for it.
//!
//! A token has the shape of ClearML's (a JWT that the SDK decodes without checking it) but is signed with keys of
//! this process, so it ends with it. Good enough to tell a real login from none on loopback, and for nothing else.

use crate::runtime::wall;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// The demo's access key, for `api.credentials` in `clearml.conf`.
pub const ACCESS_KEY: &str = "CLEARWAYDEMO0000ACCESSKEY";

/// The demo's secret key. No secret: it opens nothing but the stand-ins.
pub const SECRET_KEY: &str = "clearway-demo-secret-key";

/// The version of the API that the stand-ins speak, as server 2.3.0 has it.
pub(super) const API_VERSION: &str = "2.34";

/// The server that the stand-ins stand for.
pub(super) const SERVER_VERSION: &str = "2.3.0";

/// The one user's id.
pub(super) const USER: &str = "00000000000000000000000000000001";

/// The one user's company.
pub(super) const COMPANY: &str = "d1bd92a3b039400cbafc60a7a5b1e52b";

/// Lifetime of a token in seconds when the caller names none, and the longest.
///
/// Source: clearml-server `apiserver/config/default/apiserver.conf`, `auth.default_expiration_sec`.
const EXPIRY_DEFAULT: u64 = 2_592_000;
const EXPIRY_MAX: u64 = 31_536_000;

/// Makes and checks tokens and ids.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    keys: [RandomState; 4],
    made: AtomicU64,
}

impl Tokens {
    /// A new token that ends after `expiry_sec`.
    pub(super) fn issue(&self, expiry_sec: Option<u64>) -> String {
        let now = seconds(wall());
        let claims = json!({
            "auth_type": "Bearer",
            "identity": {
                "user": USER, "company": COMPANY, "role": "user", "user_name": "Demo", "company_name": "clearway"
            },
            "env": "<unknown>",
            "iat": now,
            "exp": now + expiry_sec.unwrap_or(EXPIRY_DEFAULT).clamp(1, EXPIRY_MAX),
            "session_id": self.id(),
            "api_version": API_VERSION,
            "server_version": SERVER_VERSION,
            "server_build": "0",
            "feature_set": "basic",
        });
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.signature(&signed)))
    }

    /// Whether `token` was issued here and has not ended.
    pub(super) fn valid(&self, token: &str) -> bool {
        let Some((signed, signature)) = token.rsplit_once('.') else { return false };
        let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
        signature == self.signature(signed) && expiry(signed).is_some_and(|expiry| expiry > seconds(wall()))
    }

    /// 32 hexadecimal digits, different each time.
    pub(super) fn id(&self) -> String {
        let count = self.made.fetch_add(1, Ordering::Relaxed);
        self.keys.iter().take(2).map(|key| format!("{:016x}", key.hash_one(count))).collect()
    }

    fn signature(&self, signed: &str) -> Vec<u8> {
        self.keys.iter().flat_map(|key| key.hash_one(signed).to_be_bytes()).collect()
    }
}

/// Whether `encoded` is the demo's key pair, as after `Basic ` in `Authorization`; `Err` where it is no pair at all.
pub(super) fn check_basic(encoded: &str) -> Result<bool, base64::DecodeError> {
    let pair = STANDARD.decode(encoded.trim())?;
    Ok(pair == format!("{ACCESS_KEY}:{SECRET_KEY}").as_bytes())
}

fn expiry(signed: &str) -> Option<u64> {
    let (_, claims) = signed.split_once('.')?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get("exp")?.as_u64()
}

fn seconds(when: SystemTime) -> u64 {
    when.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_tokens_are_valid() {
        let tokens = Tokens::default();
        let token = tokens.issue(None);
        assert!(tokens.valid(&token));
        assert_ne!(token, tokens.issue(None));
        assert!(!Tokens::default().valid(&token));
        for broken in ["", "x", "a.b", "a.b.c", &token[1..], &token[..token.len() - 1], &token.replace('.', "..")] {
            assert!(!tokens.valid(broken), "{broken}");
        }
    }

    #[test]
    fn a_token_ends() {
        let tokens = Tokens::default();
        let claims = URL_SAFE_NO_PAD.encode(json!({ "exp": seconds(wall()) - 1 }).to_string());
        let signed = format!("e30.{claims}");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tokens.signature(&signed)));
        assert!(!tokens.valid(&token));
    }

    #[test]
    fn only_the_demo_pair_logs_in() {
        let pair = |text: &str| check_basic(&STANDARD.encode(text));
        assert_eq!(pair(&format!("{ACCESS_KEY}:{SECRET_KEY}")), Ok(true));
        assert_eq!(pair(&format!("{ACCESS_KEY}:{SECRET_KEY}x")), Ok(false));
        assert_eq!(pair(""), Ok(false));
        assert!(check_basic("%%%").is_err());
    }

    #[test]
    fn ids_differ() {
        let tokens = Tokens::default();
        let id = tokens.id();
        assert_eq!(id.len(), 32);
        assert_ne!(id, tokens.id());
    }
}
