//! Reload: the same sources read again, swapped whole or refused; nothing that runs notices.

use crate::support::*;
use crate::turns::gated;
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

/// A proxy that reloads when it is told to, and never by itself.
fn deaf(origin: &Origin) -> Run {
    Run::to(origin).conf("reload { watch: false }")
}

/// The problems of refused reloads so far.
fn problems(proxy: &Proxy) -> Vec<String> {
    let is = |event: &Value| event["message"] == "problem in the new configuration";
    let all = proxy.events().json().into_iter().filter(is);
    all.map(|event| event["problem"].as_str().unwrap().to_owned()).collect()
}

/// The leaf that a new connection is shown.
fn leaf(proxy: &Proxy) -> Vec<u8> {
    Client::https(proxy).session().peer_certificates().unwrap()[0].to_vec()
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Whether nobody listens there soon: each worker closes its own socket, a moment after it was told to.
fn closes(addr: SocketAddr) -> bool {
    (0..1_000).any(|_| {
        std::net::TcpStream::connect(addr).is_err() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

#[test]
fn sighup_takes_new_settings_and_keeps_every_connection() {
    let origin = Origin::ok();
    let proxy = deaf(&origin).start();
    let mut client = Client::https(&proxy);
    let mut frames = FrameClient::connect(&proxy);
    assert_eq!(client.send(post(FILES, "/", &"x".repeat(2_000))).answer().status, 200);
    proxy.edit(|conf| conf + "services.files.max_body: 1KiB\n");
    assert!(proxy.reload(1));
    assert_eq!(client.send(post(FILES, "/", "small")).answer().status, 200, "the same connection");
    assert_eq!(Client::https(&proxy).send(post(FILES, "/", &"x".repeat(2_000))).answer().status, 413);
    assert_eq!(frames.get(1), Outcome::Status(200));
    let event = proxy.event("reloaded");
    assert_eq!(
        (&event["trigger"], &event["changed"]),
        (&"signal".into(), &"services.files.max_body".into()),
        "{event}"
    );
    proxy.edit(|conf| conf.replace("services.files.max_body: 1KiB", ""));
    assert!(proxy.reload(2));
    assert_eq!(client.send(post(FILES, "/", &"x".repeat(2_000))).answer().status, 200);
}

#[test]
fn a_bad_configuration_is_refused_whole_with_every_problem_named() {
    let origin = Origin::ok();
    let mut proxy = deaf(&origin).conf("log.filter: \"info,clearway::app=debug\"").start();
    proxy.edit(|conf| conf + "services.files.max_body: 1KiB\ntimeouts.hold: never\nworkerz: 3\n");
    assert!(!proxy.reload(1));
    let said = problems(&proxy);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("never") && said[1].contains("workerz"), "{said:?}");
    assert_eq!(Client::https(&proxy).send(post(FILES, "/", &"x".repeat(2_000))).answer().status, 200, "not half");
    // Everything that can be known at once is said at once: a port in use, a log that cannot be opened, a missing file.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let missing = proxy.folder().join("missing.pem");
    let bad = format!(
        "listeners.http.bind: [\"{}\"]\naccess_log.file: \"/nonexistent/log\"\ncertificates: [{{ chain: {missing:?}, \
         key: {missing:?} }}]\n",
        taken.local_addr().unwrap()
    );
    proxy.edit(|conf| conf.replace("timeouts.hold: never\nworkerz: 3\n", &bad));
    assert!(!proxy.reload(2));
    let said = problems(&proxy)[2..].join("\n");
    for part in ["missing.pem", "/nonexistent/log", &taken.local_addr().unwrap().to_string()] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
    assert_eq!(Client::http(&proxy).get(APP, "/").status, 308, "the old http listener is still there");
    proxy.edit(|conf| conf.replace(&bad, ""));
    assert!(proxy.reload(3));
    assert_eq!(proxy.stop().code(), Some(0));
    let counted = |name: &str| {
        let event = proxy.events().json().into_iter().find(|event| event["name"] == name);
        event.map_or(0, |event| event["value"].as_u64().unwrap())
    };
    assert_eq!(counted("clearway_reloads_total"), 1);
    assert_eq!(counted("clearway_reloads_refused_total"), 2);
    assert_eq!(counted("clearway_certificates_refused_total"), 1);
}

#[test]
fn a_configuration_that_is_gone_or_says_nothing_is_refused() {
    let origin = Origin::ok();
    // With a domain from elsewhere, nothing of what is left is for this machine alone.
    for (environment, texts) in [
        (None, &["", "# nothing\n", "workers: 1\n"][..]),
        (Some(("CLEARML__PROXY__DOMAIN", DOMAIN)), &["", "# nothing\n"]),
    ] {
        let run = deaf(&origin).searched();
        let proxy = match environment {
            Some((name, value)) => run.environment(name, value).start(),
            None => run.start(),
        };
        let (file, aside) = (proxy.folder().join("proxy.conf"), proxy.folder().join("proxy.conf.bak"));
        let served = leaf(&proxy);
        fs::rename(&file, &aside).unwrap();
        assert!(!proxy.reload(1), "the file is gone");
        for (number, text) in texts.iter().enumerate() {
            fs::write(&file, text).unwrap();
            assert!(!proxy.reload(number + 2), "{text:?}");
        }
        let said = problems(&proxy);
        assert!(said.iter().all(|problem| problem.contains(file.to_str().unwrap())), "{said:?}");
        assert_eq!(leaf(&proxy), served);
        assert_eq!(Client::https(&proxy).get(API, "/").status, 200);
        assert_eq!(Client::http(&proxy).get(APP, "/").status, 308);
        fs::rename(&aside, &file).unwrap();
        assert!(proxy.reload(texts.len() + 2));
    }
}

#[test]
fn a_refused_reload_leaves_targets_as_they_were() {
    let (origin, gate) = gated();
    let proxy = deaf(&origin).start();
    proxy.edit(|conf| conf + "services.api.concurrency: 1\naccess_log.file: \"/nonexistent/log\"\n");
    assert!(!proxy.reload(1));
    let mut clients = [(); 2].map(|()| Client::https(&proxy));
    for client in &mut clients {
        client.send(format!("GET /tasks.get_all HTTP/1.1\r\nHost: {API}\r\n\r\n"));
    }
    origin.wait_requests(2);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    proxy.edit(|conf| conf.replace("access_log.file: \"/nonexistent/log\"\n", ""));
    assert!(proxy.reload(2));
    assert_eq!(proxy.event("reloaded")["changed"], "services.api.concurrency");
}

#[test]
fn the_certificate_of_an_authority_stays_where_its_file_cannot_be_read() {
    let origin = Origin::ok();
    let acme = "certificate_folder: \"certs\"\nacme { enabled: true, directory: \"https://127.0.0.1:1/dir\", \
                challenge: \"http\" }";
    let proxy = deaf(&origin).certificates(&[]).conf(acme).start();
    let folder = proxy.folder().join("certs/acme/127.0.0.1_1_dir");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("certificate.pem");
    let [first, second] = [(); 2].map(|()| Pki::shared().issue(&[APP, API, FILES]));
    fs::write(&file, format!("{}{}", first.chain, first.key)).unwrap();
    assert!(proxy.reload(1));
    let served = leaf(&proxy);
    assert_eq!(served, first.der.to_vec());
    fs::write(&file, "no certificate").unwrap();
    assert!(proxy.reload(2));
    assert_eq!(leaf(&proxy), served, "a broken file");
    fs::remove_file(&file).unwrap();
    assert!(proxy.reload(3));
    assert_eq!(leaf(&proxy), served, "no file");
    fs::write(&file, format!("{}{}", second.chain, second.key)).unwrap();
    assert!(proxy.reload(4));
    assert_eq!(leaf(&proxy), second.der.to_vec());
}

#[test]
fn changed_files_are_noticed_through_links_and_mended_ones_too() {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("reload.interval: 100ms").start();
    let large = || Client::https(&proxy).send(post(FILES, "/", &"x".repeat(2_000))).answer().status;
    proxy.edit(|conf| conf + "services.files.max_body: 1KiB\n");
    assert!(proxy.reloaded(1));
    assert_eq!(proxy.event("reloaded")["trigger"], "files");
    assert_eq!(large(), 413);
    proxy.edit(|conf| conf.replace("1KiB", "nonsense"));
    assert!(!proxy.reloaded(2));
    assert_eq!(large(), 413);
    // Mounted as a ConfigMap is: a link through a link to a folder that is swapped.
    let at = |name: &str| proxy.folder().join(name);
    let text = fs::read_to_string(at("proxy.conf")).unwrap();
    for (version, size) in [("..1", "1KiB"), ("..2", "1MiB")] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("proxy.conf"), text.replace("nonsense", size)).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/proxy.conf", at("link")).unwrap();
    fs::rename(at("link"), at("proxy.conf")).unwrap();
    assert!(proxy.reloaded(3));
    assert_eq!(large(), 413);
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert!(proxy.reloaded(4));
    assert_eq!(large(), 200);
}

#[test]
fn certificates_are_replaced_by_good_ones_only() {
    let origin = Origin::ok();
    let [first, second] = [(); 2].map(|()| Pki::shared().issue(&[APP, API, FILES]));
    let proxy = Run::to(&origin).certificates(&[&first]).conf("reload.interval: 100ms").start();
    let at = |name: &str| proxy.folder().join(name);
    let put = |chain: &str, key: &str| {
        fs::write(at("site0.key"), key).unwrap();
        fs::write(at("site0.pem"), chain).unwrap();
    };
    let mut client = Client::https(&proxy);
    assert_eq!(leaf(&proxy), first.der.to_vec());
    let fewer = Pki::shared().issue(&[APP, API]);
    let expired = Pki::shared().issue_expired(&[APP, API, FILES]);
    let alone = second.chain.split_inclusive("-----END CERTIFICATE-----").next().unwrap();
    for (number, (chain, key, why)) in [
        (second.chain.as_str(), first.key.as_str(), "key"),
        (&fewer.chain, &fewer.key, FILES),
        (&expired.chain, &expired.key, "expired"),
        (alone, &second.key, "lacks its issuer"),
        ("no certificate", &second.key, "site0.pem"),
    ]
    .into_iter()
    .enumerate()
    {
        put(chain, key);
        assert!(!proxy.reloaded(number + 1), "{why}");
        let said = problems(&proxy);
        assert!(said.last().unwrap().contains(why), "{why} is not in {said:?}");
        assert_eq!(leaf(&proxy), first.der.to_vec(), "{why}");
    }
    put(&second.chain, &second.key);
    assert!(proxy.reloaded(6));
    assert_eq!(leaf(&proxy), second.der.to_vec());
    assert_eq!(client.get(API, "/").status, 200, "the connection of before has gone through all of it");
}

#[test]
fn a_certificate_that_expired_while_it_is_served_stands_in_no_other_change_s_way() {
    let origin = Origin::ok();
    let mortal = Pki::shared().issue_until(&[APP, API, FILES], SystemTime::now() + Duration::from_secs(10));
    let proxy = deaf(&origin).certificates(&[&mortal]).start();
    let mut client = Client::https(&proxy);
    let put = |chain: &str, key: &str| {
        fs::write(proxy.folder().join("site0.key"), key).unwrap();
        fs::write(proxy.folder().join("site0.pem"), chain).unwrap();
    };
    proxy.event("a certificate has expired");
    proxy.edit(|conf| conf + "timeouts.keep_alive: 200s\n");
    assert!(proxy.reload(1), "{:?}", problems(&proxy));
    assert!(proxy.event("reloaded")["changed"].as_str().unwrap().contains("timeouts.keep_alive"));
    let said = proxy.events().wait("the end of what is served", |event| {
        event["message"] == "certificate" && event["warning"].as_str().unwrap().starts_with("expired on ")
    });
    assert_eq!(said["level"], "ERROR", "{said}");
    assert_eq!(client.get(API, "/").status, 200);

    let other = Pki::shared().issue_expired(&[APP, API, FILES]);
    let alone = mortal.chain.split_inclusive("-----END CERTIFICATE-----").next().unwrap();
    for (number, (chain, key, why)) in
        [(other.chain.as_str(), &other.key, "expired"), (alone, &mortal.key, "lacks its issuer")].iter().enumerate()
    {
        put(chain, key);
        assert!(!proxy.reload(number + 2), "{why}");
        assert!(problems(&proxy).last().unwrap().contains(why), "{:?}", problems(&proxy));
    }
    let fresh = Pki::shared().issue(&[APP, API, FILES]);
    put(&fresh.chain, &fresh.key);
    assert!(proxy.reload(4));
    assert_eq!(leaf(&proxy), fresh.der.to_vec());
    put(&mortal.chain, &mortal.key);
    assert!(!proxy.reload(5), "it is not served any more");
    assert_eq!(leaf(&proxy), fresh.der.to_vec());
}

#[test]
fn listeners_come_and_go_and_connections_leave_politely() {
    let release = Gate::default();
    let gate = release.clone();
    let origin = Origin::script(move |visit| {
        loop {
            if visit.request()?.head.line.contains("/slow") {
                gate.wait();
            }
            visit.write(ok("done"))?;
        }
    });
    let port = free_port();
    let proxy = deaf(&origin).conf("timeouts.leave: 500ms").start();
    let old = proxy.https();
    let idle = &mut Client::https(&proxy);
    let polled = &mut Client::https(&proxy);
    let busy = &mut Client::https(&proxy);
    let frames = &mut FrameClient::connect(&proxy);
    assert_eq!((idle.get(API, "/").status, polled.get(API, "/").status), (200, 200));
    assert_eq!(frames.get(1), Outcome::Status(200));
    let body = pattern(1 << 20);
    busy.send(format!("POST /slow HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: {}\r\n\r\n", body.len()));
    busy.send(&body[..1 << 19]);
    proxy.edit(|conf| conf.replacen("127.0.0.1:0", &port.to_string(), 1));
    assert!(proxy.reload(1));
    let mut new = Client::tls(port, APP, Pki::shared().client(&["http/1.1"])).unwrap();
    assert_eq!(new.get(API, "/").status, 200);
    let answer = polled.get(API, "/");
    assert_eq!(answer.field("connection"), "close", "the next answer is the last");
    assert_eq!(polled.end(), End::Closed);
    assert_eq!(frames.goaway(), Some(0));
    busy.send(&body[1 << 19..]);
    release.open();
    assert_eq!(busy.answer().text(), "done", "a running upload is finished");
    assert!(origin.requests().iter().any(|request| request.body == body));
    assert_eq!(idle.end(), End::Closed, "an idle one ends after timeouts.leave");
    assert!(closes(old), "nobody listens there any more");
    proxy.edit(|conf| conf.replace("enabled: true }\n}", "enabled: false }\n}"));
    assert!(proxy.reload(2));
    assert!(closes(proxy.http()));
}

#[test]
fn running_requests_and_tunnels_keep_their_target_and_new_ones_get_the_new() {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let old = Origin::script(move |visit| {
        let request = visit.request()?;
        if request.head.line.contains("/ws") {
            visit.write(switching)?;
            loop {
                let piece = visit.some()?;
                visit.write(piece)?;
            }
        }
        visit.write(ok("old"))
    });
    let new = Origin::answering(ok("new"));
    let proxy = deaf(&old).start();
    let mut tunnel = Client::https(&proxy);
    tunnel.send(format!("GET /ws HTTP/1.1\r\nHost: {APP}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
    assert_eq!(tunnel.any_answer("GET").status, 101);
    let mut upload = Client::https(&proxy);
    upload.send(format!("POST /up HTTP/1.1\r\nHost: {FILES}\r\nContent-Length: 10\r\n\r\n12345"));
    old.wait_connections(2);
    proxy.edit(|conf| conf.replace(&old.addr().to_string(), &new.addr().to_string()));
    assert!(proxy.reload(1));
    assert_eq!(Client::https(&proxy).get(FILES, "/").text(), "new");
    assert_eq!(upload.send("67890").answer().text(), "old");
    assert_eq!(upload.get(FILES, "/").text(), "new", "the next request on the same connection");
    assert_eq!(tunnel.send("frame").bytes(5), b"frame");
}

#[test]
fn connections_to_targets_that_stay_are_kept() {
    let origin = Origin::ok();
    let proxy = deaf(&origin).start();
    let mut client = Client::https(&proxy);
    for count in 1..=3 {
        assert_eq!(client.get(API, "/").status, 200);
        assert!(proxy.reload(count));
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn what_needs_a_restart_is_said_and_left_alone() {
    let origin = Origin::ok();
    let proxy = deaf(&origin).start();
    proxy.edit(|conf| conf.replace("workers: 1", "workers: 3") + "services.files.max_body: 1KiB\n");
    assert!(proxy.reload(1));
    assert_eq!(proxy.event("these keys have other values now; they need a restart")["keys"], "workers");
    assert_eq!(Client::https(&proxy).send(post(FILES, "/", &"x".repeat(2_000))).answer().status, 413);
}

#[test]
fn a_rotated_access_log_is_opened_anew() {
    let origin = Origin::ok();
    let mut proxy = deaf(&origin).conf("access_log.file: \"access.log\"").start();
    let at = |name: &str| proxy.folder().join(name);
    let (log, rotated) = (at("access.log"), at("access.log.1"));
    let mut client = Client::https(&proxy);
    assert_eq!(client.get(API, "/one").status, 200);
    fs::rename(&log, &rotated).unwrap();
    assert!(proxy.reload(1));
    assert_eq!(client.get(API, "/two").status, 200);
    assert_eq!(proxy.stop().code(), Some(0));
    let [old, new] = [rotated, log].map(|file| fs::read_to_string(file).unwrap());
    assert!(old.contains("/one") && !old.contains("/two"), "{old}");
    assert!(new.contains("/two") && !new.contains("/one"), "{new}");
}

#[test]
fn a_new_listener_that_takes_any_port_leaves_the_others_theirs() {
    let origins = ["app", "api", "files"].map(|name| Origin::answering(ok(name)));
    let proxy = Run::at([origins[0].addr(), origins[1].addr(), origins[2].addr()])
        .conf("reload { watch: false }\nworkers: 2")
        .start();
    proxy.edit(|conf| conf + "listeners.legacy { api: [\"127.0.0.1:0\"], files: [\"127.0.0.1:0\"] }\n");
    assert!(proxy.reload(1));
    for service in ["api", "files"] {
        let is_its = |event: &Value| event["listener"] == format!("legacy_{service}");
        let event = proxy.events().wait("the new listener", |event| event["message"] == "listening" && is_its(event));
        let addr = event["address"].as_str().unwrap().parse().unwrap();
        assert_ne!(addr, proxy.https());
        assert_eq!(Client::tcp(addr).get("old-host", "/").text(), service);
    }
    for _ in 0..8 {
        assert_eq!(Client::https(&proxy).get(APP, "/").text(), "app");
    }
}

/// Clients that keep asking, over all that happens meanwhile.
fn reloads_under_load(count: usize) {
    let origin = Origin::ok();
    let proxy = Run::to(&origin).conf("workers: 2\nreload { watch: false }").start();
    let uploaders = Uploaders::start(&proxy);
    for number in 1..=count {
        // Every other one changes something that all workers see.
        proxy.edit(|conf| {
            conf.lines().filter(|line| !line.contains("keep_alive")).collect::<Vec<_>>().join("\n")
                + &format!("\ntimeouts.keep_alive: {}s\n", 200 + number % 2)
        });
        assert!(proxy.reload(number));
        uploaders.wait(6);
    }
    uploaders.end();
}

#[test]
fn no_request_fails_over_ten_reloads() {
    reloads_under_load(10);
}

#[test]
#[ignore = "half a minute; run it by hand"]
fn no_request_fails_over_a_hundred_reloads() {
    reloads_under_load(100);
}
