//! How the web UI is told where the API and the file server are.
//!
//! Owns: what the UI would guess, what it has to be told instead, and how that goes into its `configuration.json`.
//! Leaves: fetching the file to the caller.
//!
//! Source: clearml-web `src/app/app.constants.ts` (the guess), `src/main.ts`, `configuration.service.ts` (the file).

use super::cookie::cookie_domain;
use crate::domain::entrance::{Entrance, https_origin};
use crate::domain::names::ServiceName;
use serde_json::{Map, Value};

/// What the UI has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrls {
    /// Where the UI sends its calls.
    calls: String,
    /// The API as people are shown it who make credentials.
    api: String,
    /// The file server, for the UI (what stored URLs begin with) and for people.
    files: String,
}

/// Whether `path` is the UI's configuration. Report widgets live below `/widgets` and look one folder up, or beside
/// themselves.
#[must_use]
pub fn is_web_configuration(path: &str) -> bool {
    path == "/configuration.json" || path == "/widgets/configuration.json"
}

/// What the UI has to be told that was opened on the app host of `entrance`; `None` where it guesses right.
///
/// Hosts that can share no cookie get their calls below the app host: the login is then good for `/files` there too.
#[must_use]
pub fn web_urls(entrance: &Entrance<'_>, port: u16) -> Option<WebUrls> {
    let urls = entrance.urls(port);
    let guessed = guess(&entrance.host(ServiceName::App), port);
    if guessed.api == urls.api && guessed.files.as_ref() == Some(&urls.files) {
        return None;
    }
    let apart = matches!(entrance, Entrance::Hosts(..)) && cookie_domain(entrance).is_none();
    let calls = if apart { format!("{}/api", urls.app) } else { urls.api.clone() };
    Some(WebUrls { calls, api: urls.api, files: urls.files })
}

/// Where a UI goes with its calls, and where it takes files to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UiUrls {
    /// The API.
    pub api: String,
    /// The file server; `None` where it does not know.
    pub files: Option<String>,
    /// What it shows people who make credentials: API and files, where that is set apart.
    pub shown: (Option<String>, Option<String>),
}

/// What the UI that is opened on `https://app:port` does with this `configuration.json`.
///
/// # Errors
/// `NotAnObject` where the file is none, on which the UI does not start.
pub fn ui_urls(app: &str, port: u16, file: &[u8]) -> Result<UiUrls, NotAnObject> {
    let file = serde_json::from_slice::<Map<String, Value>>(file).map_err(|_| NotAnObject)?;
    let origin = https_origin(app, port);
    let whole = |url: &str| if url.starts_with('/') { format!("{origin}{url}") } else { url.to_owned() };
    let text = |map: &Map<String, Value>, key: &str| {
        map.get(key).and_then(Value::as_str).filter(|url| !url.is_empty()).map(|url| whole(url.trim_end_matches('/')))
    };
    let Guess { api, files } = guess(app, port);
    let shown = file.get("displayedServerUrls").and_then(Value::as_object);
    let shown = |key: &str| shown.and_then(|shown| text(shown, key));
    Ok(UiUrls {
        api: text(&file, "apiBaseUrl").unwrap_or(api),
        files: text(&file, "fileBaseUrl").or(files),
        shown: (shown("apiServer"), shown("filesServer")),
    })
}

/// What the UI makes of its own address.
struct Guess {
    api: String,
    files: Option<String>,
}

fn guess(app: &str, port: u16) -> Guess {
    let app = app.to_ascii_lowercase();
    for prefix in ["app.", "demoapp."] {
        if let Some(rest) = app.strip_prefix(prefix) {
            let beside = |label| https_origin(&format!("{}{label}.{rest}", prefix.trim_end_matches("app.")), port);
            return Guess { api: beside("api"), files: Some(beside("files")) };
        }
    }
    let at = |port| https_origin(&app, port);
    match port {
        30_080 => Guess { api: at(30_008), files: Some(at(30_081)) },
        8_080 => Guess { api: at(8_008), files: Some(at(8_081)) },
        _ => Guess { api: at(8_008), files: None },
    }
}

/// The web server's own file is no JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnObject;

impl WebUrls {
    /// `file` with what the UI has to be told; what somebody has set there stays.
    ///
    /// # Errors
    /// `NotAnObject` where there is nothing that could be merged into.
    pub fn merge(&self, file: &[u8]) -> Result<String, NotAnObject> {
        let mut file = serde_json::from_slice::<Map<String, Value>>(file).map_err(|_| NotAnObject)?;
        set(&mut file, "apiBaseUrl", &self.calls);
        set(&mut file, "fileBaseUrl", &self.files);
        let shown = file.entry("displayedServerUrls").or_insert(Value::Null);
        if shown.is_null() {
            *shown = Value::Object(Map::new());
        }
        if let Value::Object(shown) = shown {
            set(shown, "apiServer", &self.api);
            set(shown, "filesServer", &self.files);
        }
        Ok(Value::Object(file).to_string())
    }

    /// The whole file, where the web server has none.
    #[must_use]
    pub fn alone(&self) -> String {
        self.merge(b"{}").unwrap_or_default()
    }
}

/// The UI takes an empty text for none.
fn set(map: &mut Map<String, Value>, key: &str, url: &str) {
    let value = map.entry(key).or_insert(Value::Null);
    if value.is_null() || value.as_str() == Some("") {
        *value = Value::from(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::names::{HostName, PerService};
    use crate::domain::settings::{Domains, Layout};
    use serde_json::json;

    fn told(layout: &Layout, host: &str, port: u16) -> Option<Value> {
        let urls = web_urls(&Entrance::of(layout, host).unwrap().0, port)?;
        Some(serde_json::from_str(&urls.alone()).unwrap())
    }

    fn layout(names: [&str; 3]) -> Layout {
        let [app, api, files] = names.map(|name| vec![HostName::parse(name).unwrap()]);
        let single = vec![HostName::parse("one.corp").unwrap()];
        Layout { domains: Domains::Any, hosts: PerService { app, api, files }, single }
    }

    #[test]
    fn what_the_ui_guesses_right_it_is_not_told() {
        let guessed = layout(["app.x.org", "api.x.org", "files.x.org"]);
        for (host, port) in [("app.ml.corp", 443), ("App.ml.corp", 8443), ("app.x.org", 8080)] {
            assert_eq!(told(&guessed, host, port), None, "{host}");
        }
        let demo = layout(["demoapp.x.org", "demoapi.x.org", "demofiles.x.org"]);
        assert_eq!(told(&demo, "demoapp.x.org", 443), None);
    }

    #[test]
    fn what_it_would_guess_wrong_it_is_told() {
        let urls = |calls: &str, api: &str, files: &str| {
            Some(json!({
                "apiBaseUrl": calls, "fileBaseUrl": files,
                "displayedServerUrls": { "apiServer": api, "filesServer": files },
            }))
        };
        let shared = layout(["ml.x.org", "ml-api.x.org", "ml-files.x.org"]);
        let expected = urls("https://ml-api.x.org", "https://ml-api.x.org", "https://ml-files.x.org");
        assert_eq!(told(&shared, "ml.x.org", 443), expected);
        let api = "https://one.corp:8080/api";
        assert_eq!(told(&shared, "one.corp", 8080), urls(api, api, "https://one.corp:8080/files"));
        let apart = layout(["ml.corp", "ml-api.corp", "ml-files.corp"]);
        let expected = urls("https://ml.corp/api", "https://ml-api.corp", "https://ml-files.corp");
        assert_eq!(told(&apart, "ml.corp", 443), expected);
        let half = layout(["app.x.org", "api.x.org", "store.x.org"]);
        assert!(told(&half, "app.x.org", 443).is_some());
    }

    #[test]
    fn a_ui_goes_where_its_file_says_else_where_it_guesses() {
        let urls = |app: &str, file: &str| {
            ui_urls(app, 443, file.as_bytes()).map(|urls| (urls.api, urls.files.unwrap_or_default(), urls.shown.0))
        };
        let text = |text: &str| text.to_owned();
        assert_eq!(urls("app.x.org", "{}"), Ok((text("https://api.x.org"), text("https://files.x.org"), None)));
        assert_eq!(urls("ml.corp", "{}"), Ok((text("https://ml.corp:8008"), text(""), None)));
        let set = r#"{"apiBaseUrl":"/api","fileBaseUrl":"https://f/","displayedServerUrls":{"apiServer":"https://s"}}"#;
        assert_eq!(urls("ml.corp", set), Ok((text("https://ml.corp/api"), text("https://f"), Some(text("https://s")))));
        assert_eq!(urls("ml.corp", "<html>"), Err(NotAnObject));
    }

    #[test]
    fn what_somebody_has_set_stays() {
        let layout = layout(["a.x.org", "b.x.org", "c.x.org"]);
        let urls = web_urls(&Entrance::of(&layout, "one.corp").unwrap().0, 443).unwrap();
        let merge = |file: &str| serde_json::from_str::<Value>(&urls.merge(file.as_bytes()).unwrap()).unwrap();
        let merged = merge(r#"{"apiBaseUrl": "/mine", "fileBaseUrl": null, "useFilesProxy": false, "x": [1.50]}"#);
        assert_eq!(merged["apiBaseUrl"], "/mine");
        assert_eq!(merged["fileBaseUrl"], "https://one.corp/files");
        assert_eq!((&merged["useFilesProxy"], &merged["x"]), (&json!(false), &json!([1.5])));
        let merged = merge(r#"{"apiBaseUrl": "", "displayedServerUrls": {"apiServer": "https://shown", "other": 1}}"#);
        assert_eq!(merged["apiBaseUrl"], "https://one.corp/api");
        let shown = json!({ "apiServer": "https://shown", "filesServer": "https://one.corp/files", "other": 1 });
        assert_eq!(merged["displayedServerUrls"], shown);
        assert_eq!(merge(r#"{"displayedServerUrls": "theirs"}"#)["displayedServerUrls"], "theirs");
        for broken in ["", "[]", "null", "{", "<!doctype html>", "{\"a\": 1,}", "\u{feff}{}"] {
            assert_eq!(urls.merge(broken.as_bytes()), Err(NotAnObject), "{broken}");
        }
    }
}
