//! Calls and uploads that a client's settings send to the wrong service: the caller is told which URL to set.

use crate::support::*;

const NAMES: &str = "hosts { app: ml.corp, api: ml-api.corp, files: ml-files.corp }\nsingle_domain: [one.corp]";

fn call(host: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic a2V5OnNlY3JldA==\r\nX-ClearML-Worker: me\r\n\
         X-ClearML-Client: clearml-2.1.12\r\nContent-Length: 2\r\n\r\n{{}}"
    )
}

fn upload(host: &str, path: &str) -> String {
    let body = "--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n";
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Authorization: Bearer x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_call_at_the_web_or_file_server_is_told_the_apis_url_in_an_envelope() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    for (host, path, url) in [
        (APP, "/auth.login", "https://api.clearml.test"),
        ("app.clearml.test:8443", "/v2.23/tasks.create", "https://api.clearml.test:8443"),
        (FILES, "/v2.23/queues.get_next_task", "https://api.clearml.test"),
        (APP, "/files/auth.login", "https://api.clearml.test"),
        ("one.corp", "/auth.login", "https://one.corp/api"),
        ("ml-files.corp", "/auth.login", "https://ml-api.corp"),
    ] {
        let answer = client.send(call(host, path)).answer();
        answer.assert_fault(400, "client; call_to_wrong_service");
        let message = answer.json()["meta"]["result_msg"].as_str().unwrap().to_owned();
        assert!(message.contains(&format!("api.api_server: \"{url}\"")), "{host}{path}: {message}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_upload_at_the_web_or_api_server_is_told_the_file_servers_url_in_text() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    for (host, path, url) in [
        (APP, "/", "https://files.clearml.test"),
        (API, "/", "https://files.clearml.test"),
        ("one.corp", "/", "https://one.corp/files"),
        ("one.corp:8443", "/api", "https://one.corp:8443/files"),
        ("ml-api.corp", "/", "https://ml-files.corp"),
    ] {
        let answer = client.send(upload(host, path)).answer();
        answer.assert_fault(400, "client; upload_to_wrong_service");
        assert!(answer.field("content-type").starts_with("text/plain"), "{}", answer.fields);
        assert!(answer.text().contains(&format!("api.files_server: \"{url}\"")), "{host}{path}: {}", answer.text());
        assert!(answer.text().contains("nothing was stored"), "{}", answer.text());
    }
    assert_eq!(origin.connections(), 0);
    client.assert_open();
}

#[test]
fn requests_of_the_web_ui_and_of_rightly_set_up_clients_pass() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf(NAMES).start();
    let mut client = Client::https(&proxy);
    let browser = |host: &str, path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n{more}\r\n\r\n")
    };
    for request in [
        browser(APP, "/main.js", "X-Clearml-Client: Webapp-2.5.0"),
        browser(APP, "/onboarding.json", "X-Allegro-Client: Webapp-2.3.0"),
        browser(APP, "/api/v999.0/auth.login", "Authorization: Basic a2V5OnNlY3JldA=="),
        browser(APP, "/version.json", "Authorization: Basic a2V5OnNlY3JldA=="),
        call(API, "/auth.login"),
        call(APP, "/api/auth.login"),
        call("one.corp", "/api/v2.23/tasks.create"),
        upload(FILES, "/"),
        upload("one.corp", "/files"),
        upload(APP, "/files/"),
        get(FILES, "/model.bin"),
    ] {
        assert_eq!(client.send(&request).answer().status, 200, "{request}");
    }
}
