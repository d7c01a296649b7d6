//! Flags and answers to what is written.

use super::*;
use clap::Parser as _;

#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: InitArgs,
}

fn args(line: &str) -> InitArgs {
    Line::try_parse_from(std::iter::once("init").chain(line.split_whitespace())).unwrap().args
}

/// What comes of these answers; an empty one takes what is usual.
fn answered(line: &str, answers: &[&str]) -> Result<Wanted, String> {
    let mut answers = answers.iter();
    let mut ask = |_: &str, usual: &str| {
        answers.next().map(|answer| if answer.is_empty() { usual.to_owned() } else { (*answer).to_owned() })
    };
    wanted(&args(line), Some(&mut ask))
}

fn name(text: &str) -> HostName {
    HostName::parse(text).unwrap()
}

#[test]
fn a_person_is_asked_for_what_no_flag_says() {
    let all = answered("", &["ml.corp", "", ""]).unwrap();
    assert_eq!(all.starter.names, StarterNames::Domain(name("ml.corp")));
    assert_eq!((all.starter.certificate, all.place), (StarterCertificate::Local, ProxyPlace::Host));
    let all = answered("", &["ml.corp/", "ops@ml.corp", "compose"]).unwrap();
    assert_eq!(all.starter.names, StarterNames::Single(name("ml.corp")));
    assert_eq!(
        (all.starter.certificate, all.place),
        (StarterCertificate::Acme("ops@ml.corp".into()), ProxyPlace::Network)
    );
    let all = answered("--domain ml.corp", &["/etc/a.pem", "", "10.0.0.x.test"]).unwrap();
    assert_eq!(all.starter.certificate, StarterCertificate::Files("/etc/a.pem".into(), "/etc/a.key".into()));
    assert_eq!((all.place, all.starter.targets.api.as_str()), (ProxyPlace::Elsewhere, "10.0.0.x.test:8008"));
    assert!(answered("", &[]).is_err());
    assert!(answered("", &["ml.corp"]).is_err(), "who leaves in the middle wants nothing");
}

#[test]
fn what_is_no_answer_is_asked_for_again() {
    assert!(answered("", &["a..b"]).is_err());
    let all = answered("", &["a..b", "ml.corp/x/", "ml.corp", "lokal", "", "a b", "compose"]).unwrap();
    assert_eq!(all.starter.names, StarterNames::Domain(name("ml.corp")));
    assert_eq!((all.starter.certificate, all.place), (StarterCertificate::Local, ProxyPlace::Network));
    assert!(answered("--server a..b", &["ml.corp", ""]).is_err(), "a flag is not asked for");
}

#[test]
fn nobody_is_asked_where_nobody_is() {
    let by_flags = wanted(&args("--hosts a.x.test b.x.test c.x.test --acme m@x.test --server compose"), None).unwrap();
    assert!(matches!(by_flags.starter.names, StarterNames::Hosts(_)));
    assert_eq!(by_flags.starter.targets.app, "webserver:80");
    assert!(wanted(&args(""), None).unwrap_err().contains("--domain"));
}
