//! `clearway init` on a terminal: questions, answers, and what a person who leaves has not done.

use super::scene::clearway;
use super::terminal::{CONTROL_C, CONTROL_D, Terminal};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const NAMES: &str = "with a slash behind it? [clearml.example.com] ";
const CERTIFICATE: &str = "or local for a CA of its own? [local] ";
const SERVER: &str = "or a machine's name? [host] ";
const CHANGE: &str = "change these files? [y/N] ";

/// A folder to write into, and one for whatever is only there for a while.
struct Desk {
    folder: TempDir,
    scratch: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), scratch: tempfile::tempdir().unwrap() }
    }

    fn init(&self, arguments: &[&str]) -> Terminal {
        let mut command = clearway(self.folder.path());
        command.env("TMPDIR", self.scratch.path()).args(["init", "--output", "out"]).args(arguments);
        Terminal::of(&command)
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// Every file that it has written, with its text.
    fn written(&self) -> Vec<(PathBuf, String)> {
        assert!(files(self.scratch.path()).is_empty(), "nothing is left in between");
        files(&self.out())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.out().join(name)).unwrap()
    }
}

fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn answers_are_taken_and_enter_takes_what_is_usual() {
    let desk = Desk::new();
    let mut terminal = desk.init(&[]);
    terminal.answer(NAMES, "ml.test");
    terminal.answer(CERTIFICATE, "");
    terminal.answer(SERVER, "compose");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(shown.contains("new: ") && shown.contains("next:\n  clearway check --config out/proxy.conf"), "{shown}");
    let conf = desk.text("proxy.conf");
    assert!(conf.contains("domain: \"ml.test\"") && conf.contains("apiserver:8008"), "{conf}");
    assert!(!conf.contains("\ncertificates"), "a CA of its own: {conf}");
    assert_eq!(desk.written().len(), 3);
}

#[test]
fn a_key_is_proposed_beside_its_chain() {
    let desk = Desk::new();
    let mut terminal = desk.init(&["--single-domain", "ml.test", "--server", "host"]);
    terminal.answer(CERTIFICATE, "/etc/site.pem");
    terminal.answer("Its key? [/etc/site.key] ", "");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "{shown}");
    let conf = desk.text("proxy.conf");
    assert!(conf.contains("\"/etc/site.pem\"") && conf.contains("\"/etc/site.key\""), "{conf}");
}

#[test]
fn a_wrong_answer_is_explained_and_asked_for_again() {
    let desk = Desk::new();
    let mut terminal = desk.init(&[]);
    terminal.answer(NAMES, "a..b");
    terminal.wait("error: a..b: ");
    terminal.answer(NAMES, "ml.test");
    terminal.answer(CERTIFICATE, "lokal");
    terminal.wait("error: lokal: expected a file such as /etc/site.pem, a mail address, or local");
    terminal.answer(CERTIFICATE, "local");
    terminal.answer(SERVER, "two words");
    terminal.wait("error: two words: ");
    terminal.answer(SERVER, "clearml.internal");
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(0), "{shown}");
    assert!(desk.text("proxy.conf").contains("clearml.internal:8008"));
}

#[test]
fn who_leaves_leaves_no_file() {
    let questions = [NAMES, CERTIFICATE, SERVER];
    for keys in [CONTROL_C, CONTROL_D] {
        for at in 0..questions.len() {
            let desk = Desk::new();
            let mut terminal = desk.init(&[]);
            questions[..at].iter().for_each(|question| terminal.answer(question, ""));
            terminal.wait(questions[at]);
            terminal.press(keys);
            let (status, shown) = terminal.end();
            let told = if keys == CONTROL_C { (None, Some(2)) } else { (Some(2), None) };
            assert_eq!((status.code(), status.signal()), told, "{shown}");
            assert!(desk.written().is_empty() && !desk.out().exists(), "{shown}");
        }
    }
}

#[test]
fn a_difference_is_shown_before_a_file_is_touched() {
    let desk = Desk::new();
    assert_eq!(desk.init(&["--domain", "a.test", "--acme", "m@x.test", "--server", "host"]).end().0.code(), Some(0));
    let before = desk.written();
    for (keys, code) in [("n\n", Some(1)), ("\n", Some(1)), (CONTROL_D, Some(1)), (CONTROL_C, None), ("y\n", Some(0))] {
        let mut terminal = desk.init(&["--domain", "b.test", "--acme", "m@x.test", "--server", "host"]);
        terminal.wait("-domain: \"a.test\"\n+domain: \"b.test\"\n");
        terminal.wait(CHANGE);
        assert!(terminal.shown().contains("--- ") && desk.written() == before, "{}", terminal.shown());
        terminal.press(keys);
        let (status, shown) = terminal.end();
        assert_eq!(status.code(), code, "{keys:?}: {shown}");
        match code {
            Some(0) => assert!(desk.text("proxy.conf").contains("domain: \"b.test\""), "{shown}"),
            _ => assert!(desk.written() == before, "{keys:?}: {shown}"),
        }
    }
}
