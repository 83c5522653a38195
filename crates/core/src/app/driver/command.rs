//! Carrying out what the machine says. All of it is quick and calls nothing of the user's: calls become tasks, which begin when the lock is
//! open again.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{
    Driver, Origin,
    afterwards::Afterwards,
    state::State,
    task::{Ended, Guarded, Running},
};
use crate::{
    app::{
        error::{AppError, AppFailure, BoxError},
        parameter::{Argument, Given},
        recipe::{BoxFuture, HookCalls, Recipe},
        value::Held,
        work::{StopSource, Supervisor},
    },
    lifecycle::{Arg, Command, Dep, Failure, Frame, HookId, Instance, NodeId, Op, Outcome},
};

/// The machine, while its commands are carried out.
pub(super) struct Step<'s> {
    pub(super) driver: &'s Arc<Driver>,
    pub(super) state: &'s mut State,
    pub(super) now: u64,
    pub(super) afterwards: &'s mut Afterwards,
}

/// Which of a hook's calls.
#[derive(Clone, Copy)]
enum Half {
    Start,
    Stop,
}

impl Step<'_> {
    /// Does everything that the machine asks for, and sets the alarm.
    pub(super) fn carry_out(&mut self) {
        loop {
            let next = self.state.run.poll(self.now);
            let commands = self.state.run.take_commands();
            if commands.is_empty() {
                return self.set_alarm(next);
            }
            commands.into_iter().for_each(|command| self.one(command));
        }
    }

    fn set_alarm(&mut self, at: Option<u64>) {
        if self.state.alarm_at != at {
            self.state.alarm_at = at;
            self.driver.alarm.notify_one();
        }
    }

    fn one(&mut self, command: Command) {
        match command {
            Command::Construct { op, node, instance, frame, args } => self.construct(op, node, instance, frame, &args),
            Command::Finalize { op, node, instance, .. } => self.finalize(op, node, instance),
            Command::Forget { instances } => {
                let forgotten = instances.into_iter().filter_map(|instance| self.state.values.remove(&instance));
                self.afterwards.values.extend(forgotten);
            }
            Command::StartHook { op, hook, args } => self.run_hook(op, hook, &args, Half::Start),
            Command::StopHook { op, hook, args } => self.run_hook(op, hook, &args, Half::Stop),
            Command::RunWorker { op, node, attempt, args } => self.run_worker(op, node, attempt, &args),
            Command::StopWorker { op } => {
                if let Some(Running::Worker(_, stop)) = self.state.running.get(&op) {
                    stop.request();
                }
            }
            Command::Listen { op, node, args } => self.listen(op, node, &args),
            Command::Drain { op, node, timeout } => self.drain(op, node, timeout),
            Command::AwaitUsers { op } => self.await_users(op),
            Command::Cancel { op, .. } => self.cancel(op),
            Command::Abandon { op } => {
                // A drain that is given up closes what it waited for; anything else goes on by itself.
                if let Some(Running::Drain(Some(cancel), _)) = self.state.running.remove(&op) {
                    let _ = cancel.send(());
                }
            }
            Command::Settle { ticket, outcome } => {
                if let Some(sender) = self.state.tickets.remove(&ticket) {
                    let _ = sender.send(self.state.settled(outcome));
                }
            }
            Command::Swap { .. } => {
                let next = self.state.epoch.next();
                self.state.retiring = Some(std::mem::replace(&mut self.state.epoch, next));
            }
            Command::Reloaded { generation, failure } => self.reloaded(generation, failure),
            Command::FrameClosed { frame, failures } => self.frame_closed(frame, failures),
            Command::Started => self.afterwards.is_up = true,
            Command::Stopped { code, failures } => self.stopped(code, failures),
            Command::Exit { code } => self.afterwards.exit = Some(code),
        }
    }

    /// Answers a command that takes no time.
    fn done(&mut self, op: Op) {
        self.state.run.complete(self.now, op, Outcome::Done);
    }

    // Values.

    fn construct(&mut self, op: Op, node: NodeId, instance: Instance, frame: Frame, args: &[Arg]) {
        let ready = match self.driver.blueprint.recipe(node) {
            Some(Recipe::Make(make)) => {
                let (driver, make) = (Arc::clone(self.driver), Arc::clone(make));
                let mut given = self.given(Origin { frame, op: Some(op) }, node, args);
                let cancel = self.task(node, move || make(&mut given), move |made| driver.made(op, node, instance, made));
                self.state.running.insert(op, Running::Task(cancel));
                return;
            }
            Some(Recipe::Value(held)) => held.clone(),
            // A collection: all that it is given.
            _ => Held::Many(args.iter().filter_map(|arg| self.state.value(*arg)).collect()),
        };
        self.state.values.insert(instance, ready);
        self.done(op);
    }

    fn finalize(&mut self, op: Op, node: NodeId, instance: Instance) {
        let value = self.state.values.remove(&instance);
        let Some(close) = self.state.closes.remove(&instance) else {
            self.afterwards.values.extend(value);
            return self.done(op);
        };
        let call = move || {
            // The call may want to be the only holder.
            drop(value);
            close()
        };
        self.run(op, node, call);
    }

    // Hooks, workers and listeners.

    fn run_hook(&mut self, op: Op, hook: HookId, args: &[Arg], half: Half) {
        let Some(node) = self.state.run.hook_node(hook) else { return };
        let calls = match (self.state.added_hooks.get(&hook), self.driver.blueprint.recipe(node)) {
            (Some(calls), _) | (None, Some(Recipe::Hook(calls))) => calls,
            _ => &HookCalls::default(),
        };
        let (call, skipped) = match half {
            Half::Start => (calls.start.clone(), 0),
            Half::Stop => (calls.stop.clone(), calls.start_wishes),
        };
        let Some(call) = call else { return self.done(op) };
        let mut given = self.given(Origin::APP, node, args);
        given.skip(skipped);
        self.run(op, node, move || call(&mut given));
    }

    fn run_worker(&mut self, op: Op, node: NodeId, attempt: u32, args: &[Arg]) {
        let Some(Recipe::Worker(work)) = self.driver.blueprint.recipe(node) else { return };
        let (source, stop) = StopSource::new();
        let mut given = self.given(Origin::APP, node, args);
        given.run = Some((stop, Supervisor::new(Arc::clone(self.driver), op, attempt)));
        let (driver, work) = (Arc::clone(self.driver), Arc::clone(work));
        let cancel = self.task(node, move || work(&mut given), move |ended| driver.answer(op, node, ended));
        self.state.running.insert(op, Running::Worker(cancel, source));
    }

    fn listen(&mut self, op: Op, node: NodeId, args: &[Arg]) {
        let Some(Recipe::Listener(listen)) = self.driver.blueprint.recipe(node) else { return };
        let mut given = self.given(Origin::APP, node, args);
        let (driver, listen) = (Arc::clone(self.driver), Arc::clone(listen));
        let cancel = self.task(node, move || listen(&mut given), move |ended| driver.listening(op, node, ended));
        self.state.running.insert(op, Running::Task(cancel));
    }

    fn drain(&mut self, op: Op, node: NodeId, timeout: Option<Duration>) {
        let Some(listening) = self.state.listening.remove(&node) else { return self.done(op) };
        let hurry = listening.hurry();
        let driver = Arc::clone(self.driver);
        let cancel = self.task(node, move || listening.drain(timeout), move |ended| driver.answer(op, node, ended));
        self.state.running.insert(op, Running::Drain(Some(cancel), hurry));
    }

    fn await_users(&mut self, op: Op) {
        let Some(epoch) = self.state.retiring.take() else { return self.done(op) };
        epoch.tell(self.driver, op);
        self.state.running.insert(op, Running::Users);
        self.afterwards.epochs.push(epoch);
    }

    fn cancel(&mut self, op: Op) {
        match self.state.running.get_mut(&op) {
            Some(Running::Drain(_, Some(hurry))) => hurry.now(),
            Some(Running::Drain(cancel, None)) => drop(cancel.take().map(|cancel| cancel.send(()))),
            Some(Running::Users) => {
                self.state.running.remove(&op);
                self.state.run.complete(self.now, op, Outcome::Cancelled);
            }
            Some(Running::Task(_) | Running::Worker(..)) => {
                // It is answered when its future has been dropped.
                if let Some(Running::Task(cancel) | Running::Worker(cancel, _)) = self.state.running.remove(&op) {
                    let _ = cancel.send(());
                }
            }
            None => {}
        }
    }

    // News.

    fn reloaded(&mut self, generation: u64, failure: Option<Failure>) {
        let failure = failure.map(|failure| self.state.failure(failure));
        for (_, sender) in self.state.reloads.extract_if(.., |(awaited, _)| *awaited <= generation) {
            let _ = sender.send(failure.clone());
        }
    }

    fn frame_closed(&mut self, frame: Frame, failures: Vec<Failure>) {
        let failures: Vec<_> = failures.into_iter().map(|failure| self.state.failure(failure)).collect();
        for sender in self.state.frames.remove(&frame).unwrap_or_default() {
            let _ = sender.send(failures.clone());
        }
    }

    fn stopped(&mut self, code: i32, failures: Vec<Failure>) {
        let Self { state, afterwards, .. } = self;
        let failures: Vec<AppFailure> = failures.into_iter().map(|failure| state.failure(failure)).collect();
        let outcome = if code == 0 && failures.is_empty() { Ok(()) } else { Err(AppError::new(code, failures)) };
        afterwards.values.extend(state.values.drain().map(|(_, value)| value));
        afterwards.listening.extend(state.listening.drain().map(|(_, listening)| listening));
        afterwards.hooks.extend(state.added_hooks.drain().map(|(_, hook)| hook));
        afterwards.ended = Some(outcome);
        state.tickets.clear();
        state.reloads.clear();
        state.frames.clear();
    }

    // Tasks.

    /// Has a call made that makes nothing.
    fn run(&mut self, op: Op, node: NodeId, call: impl FnOnce() -> BoxFuture<Result<(), BoxError>> + Send + 'static) {
        let driver = Arc::clone(self.driver);
        let cancel = self.task(node, call, move |ended| driver.answer(op, node, ended));
        self.state.running.insert(op, Running::Task(cancel));
    }

    /// Makes a task of a call, and returns what cancels it.
    fn task<T: Send + 'static>(
        &mut self,
        node: NodeId,
        call: impl FnOnce() -> BoxFuture<Result<T, BoxError>> + Send + 'static,
        end: impl FnOnce(Ended<T>) + Send + 'static,
    ) -> oneshot::Sender<()> {
        let (cancel, guarded) = Guarded::new(self.driver, node, call);
        self.afterwards.tasks.push(Box::pin(async move { end(guarded.await) }));
        cancel
    }

    fn given(&self, origin: Origin, node: NodeId, args: &[Arg]) -> Given {
        let argument = |(arg, dep): (&Arg, &Dep)| match (arg, dep) {
            (Arg::Lazy(node), _) => Argument::Lazy(*node),
            (arg, Dep::Node(node)) => self.state.value(*arg).map_or(Argument::Absent, |held| Argument::Value(*node, held)),
            _ => Argument::Absent,
        };
        let arguments = args.iter().zip(self.driver.blueprint.plan.deps(node)).map(argument).collect();
        Given::new(Arc::clone(self.driver), origin, arguments)
    }
}
