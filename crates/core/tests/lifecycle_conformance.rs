//! The cases of `conformance/lifecycle`, run by a host without functions: it plays what the data says of each, on a clock of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod lifecycle_support;

use std::path::Path;

use lifecycle_support::{data::Case, player::Player, wiring};
use serde_json::Value;

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/lifecycle").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str::<Vec<Value>>(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Holds every case of a file against what comes of it. With `SHOW` set, prints that too.
fn hold(file: &str, outcome: impl Fn(&Case) -> Vec<String>) {
    let mut wrong = Vec::new();
    for value in cases(file) {
        let case = Case::read(&value);
        let log = outcome(&case);
        if std::env::var_os("SHOW").is_some() {
            println!("{}\n  {}", case.name, log.join("\n  "));
        }
        if log != case.expect {
            wrong.push(format!(
                "{}\n  expected\n    {}\n  came\n    {}",
                case.name,
                case.expect.join("\n    "),
                log.join("\n    ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
}

#[test]
fn values_are_made_as_the_cases_say() {
    hold("resolution.json", |case| Player::play(case));
}

#[test]
fn scopes_open_and_close_as_the_cases_say() {
    hold("scopes.json", |case| Player::play(case));
}

#[test]
fn hooks_start_and_stop_as_the_cases_say() {
    hold("start_stop.json", |case| Player::play(case));
}

#[test]
fn workers_are_supervised_as_the_cases_say() {
    hold("workers.json", |case| Player::play(case));
}

#[test]
fn reloads_swap_as_the_cases_say() {
    hold("reload.json", |case| Player::play(case));
}

#[test]
fn mistakes_are_told_as_the_cases_say() {
    hold("wiring.json", wiring::told);
}
