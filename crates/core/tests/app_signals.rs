//! Signals, in a process of their own: this file's own program, run again.

#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod app_support;

use std::{
    future::pending,
    io::{BufRead, BufReader, Lines},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::Arc,
};

use app_support::{SECOND, built};
use hostloop::{
    App, Restart, Stop,
    app::{AppBuilder, Hook},
};

const PART: &str = "HOSTLOOP_TEST_PART";

struct Value;

fn says(what: &'static str) -> impl Fn() -> std::future::Ready<()> + Send + Sync {
    move || {
        println!("program: {what}");
        std::future::ready(())
    }
}

/// What the child runs. It is no test when nobody has asked for a part.
#[test]
fn program() {
    let Ok(part) = std::env::var(PART) else { return };
    // Workers run when hooks have started: with this one the application is up.
    let running = |stop: Stop| async move {
        println!("program: running");
        stop.requested().await;
    };
    let app = App::builder().hook(Hook::new("speaker").on_start(says("up")).on_stop(says("down"))).worker(
        "running",
        Restart::Never,
        running,
    );
    let app = match part.as_str() {
        "plain" => app,
        "slow start" => app.construct(|| Value).hook(Hook::new("slow").on_start(|_: Arc<Value>| pending::<()>())),
        "slow stop" => slow_stop(app).options(|options| options.cut_short = SECOND * 10),
        "stuck stop" => slow_stop(app).hook(stuck()).options(|options| options.cut_short = SECOND * 3600),
        other => panic!("there is no part {other}"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let app = built(app);
        let outcome = app.run().await;
        println!("program: over");
        if part == "plain" {
            // A second life of the same application hears signals too.
            app.run().await.unwrap();
            println!("program: over again");
            pending::<()>().await;
        }
        outcome
    });
    std::process::exit(outcome.err().map_or(0, |error| error.exit_code()));
}

/// It has a hook that stops first and does not end by itself: an hour is allowed to it.
fn slow_stop(app: AppBuilder) -> AppBuilder {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            println!("program: cancelled");
        }
    }
    let hang = |_: Arc<Value>| async {
        println!("program: stopping");
        let _dropped = Dropped;
        pending::<()>().await;
    };
    let hook = Hook::new("slow").on_stop(hang).timeout(SECOND * 3600);
    app.construct(|| Value).hook(hook).options(|options| {
        options.stop_timeout = None;
        options.grace = SECOND * 3600;
    })
}

/// It keeps its thread for ever, so that nothing can cancel it.
fn stuck() -> Hook {
    let block = |_: Arc<Value>| async {
        loop {
            std::thread::park();
        }
    };
    Hook::new("stuck").on_stop(block).timeout(SECOND * 3600)
}

struct Program(Child, Lines<BufReader<ChildStdout>>);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

impl Program {
    fn start(part: &str) -> Self {
        let arguments = ["--exact", "program", "--nocapture"];
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(arguments).env(PART, part).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self(child, output)
    }

    /// Waits until the program says this.
    fn says(&mut self, what: &str) {
        let line = format!("program: {what}");
        assert!(self.1.any(|said| said.unwrap().ends_with(&line)), "the program has ended and did not say `{what}`");
    }

    fn signal(&self, number: i32) {
        // SAFETY: the process is a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.0.id() as i32, number) }, 0);
    }

    fn ended(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

#[test]
fn a_signal_stops_the_application_and_afterwards_does_what_it_did_before() {
    let mut program = Program::start("plain");
    for (signal, over) in [(libc::SIGTERM, "over"), (libc::SIGINT, "over again")] {
        program.says("running");
        program.signal(signal);
        program.says("down");
        program.says(over);
    }
    program.signal(libc::SIGTERM);
    assert_eq!(program.ended().signal(), Some(libc::SIGTERM));
}

#[test]
fn a_signal_in_the_middle_of_the_start_undoes_it() {
    let mut program = Program::start("slow start");
    program.says("up");
    program.signal(libc::SIGTERM);
    program.says("down");
    assert_eq!(program.ended().code(), Some(0));
}

#[test]
fn a_second_signal_cuts_the_stop_short() {
    let mut program = Program::start("slow stop");
    program.says("running");
    program.signal(libc::SIGTERM);
    program.says("stopping");
    program.signal(libc::SIGINT);
    program.says("down");
    assert_eq!(program.ended().code(), Some(128 + libc::SIGINT));
}

#[test]
fn a_third_signal_ends_the_process() {
    let mut program = Program::start("stuck stop");
    program.says("running");
    program.signal(libc::SIGTERM);
    program.says("stopping");
    program.signal(libc::SIGTERM);
    program.says("cancelled");
    program.signal(libc::SIGINT);
    assert_eq!(program.ended().code(), Some(128 + libc::SIGINT));
}
