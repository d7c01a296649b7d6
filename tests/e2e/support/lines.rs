//! The lines a child process writes, as they come.

use super::DEADLINE;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Default)]
struct State {
    text: Vec<String>,
    ended: bool,
}

/// Lines read so far; clones see the same ones.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<State>, Condvar)>);

impl Lines {
    /// Reads `source` to its end, on a thread of its own.
    pub(crate) fn follow(source: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n') {
                let Ok(line) = line else { break };
                shared.change(|state| state.text.push(String::from_utf8_lossy(&line).into_owned()));
            }
            shared.change(|state| state.ended = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// Waits for a line that `found` accepts; `what` is said when none comes.
    pub(crate) fn wait_line(&self, what: &str, mut found: impl FnMut(&str) -> bool) -> String {
        let (state, changed) = &*self.0;
        let seek = |state: &mut State, found: &mut dyn FnMut(&str) -> bool| {
            state.text.iter().find(|line| found(line)).cloned()
        };
        let mut hit = None;
        let guard = state.lock().unwrap();
        let (guard, _) = changed
            .wait_timeout_while(guard, DEADLINE, |state| {
                hit = seek(state, &mut found);
                hit.is_none() && !state.ended
            })
            .unwrap();
        let all = guard.text.join("\n");
        drop(guard);
        hit.unwrap_or_else(|| panic!("{what} was not written; there is only:\n{all}"))
    }

    /// Waits for a JSON line that `found` accepts.
    pub(crate) fn wait(&self, what: &str, found: impl Fn(&Value) -> bool) -> Value {
        let line = self.wait_line(what, |line| parse(line).is_some_and(|value| found(&value)));
        parse(&line).unwrap()
    }

    /// Waits until `count` JSON lines came that `found` accepts; all of them.
    pub(crate) fn wait_times(&self, what: &str, count: usize, found: impl Fn(&Value) -> bool) -> Vec<Value> {
        let (state, changed) = &*self.0;
        let hits = |state: &State| state.text.iter().filter_map(|line| parse(line)).filter(&found).collect::<Vec<_>>();
        let guard = state.lock().unwrap();
        let few = |state: &mut State| hits(state).len() < count && !state.ended;
        let (guard, _) = changed.wait_timeout_while(guard, DEADLINE, few).unwrap();
        let found = hits(&guard);
        let all = guard.text.join("\n");
        drop(guard);
        assert!(found.len() >= count, "{what} was not written {count} times; there is only:\n{all}");
        found
    }

    /// Waits until the source has ended.
    pub(crate) fn wait_end(&self) {
        let (state, changed) = &*self.0;
        let (_guard, late) = changed.wait_timeout_while(state.lock().unwrap(), DEADLINE, |state| !state.ended).unwrap();
        assert!(!late.timed_out(), "the process did not end in {DEADLINE:?}");
    }

    /// Every JSON line so far.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.0.0.lock().unwrap().text.iter().filter_map(|line| parse(line)).collect()
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.0.0.lock().unwrap().text.join("\n")
    }
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(Value::is_object)
}
