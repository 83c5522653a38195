//! Asking for a value: it is there, or a ticket is settled later, or whoever asks would wait for itself.

use super::{
    super::graph::NodeId,
    Run,
    build::{BuildStage, Waiter, Wish},
    command::{Arg, Command, Failure, FailureCause, Frame, Op, Ticket},
};

#[derive(Debug)]
pub(super) struct TicketState {
    build: usize,
    requester: Option<Op>,
}

/// What asking for a value leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// It is there.
    Ready(Arg),
    /// It will be settled by [`Command::Settle`].
    Pending(Ticket),
    /// It cannot be.
    Refused(Failure),
}

impl Run {
    /// Asks for the value of a node in a frame. `requester` is the constructor that asks, if one does: who would wait for itself is
    /// refused.
    pub fn request(&mut self, now: u64, node: NodeId, frame: Frame, requester: Option<Op>) -> Request {
        self.look(now);
        let is_shadow =
            requester.and_then(|op| self.constructing(op)).and_then(|build| self.build(build)).is_some_and(|build| build.is_shadow);
        let Some(home) = self.frame_index(frame) else { return Request::Refused(self.closed(node)) };
        if self.plan.depth(node) > self.frames[home].depth {
            return Request::Refused(self.not_entered(node));
        }
        match self.wish(node, home, is_shadow) {
            Err(failure) => Request::Refused(failure),
            Ok(Wish::Ready(arg)) => Request::Ready(arg),
            Ok(Wish::Building(build)) => {
                if let Some(path) = requester.and_then(|op| self.circle(op, build)) {
                    self.forsake(build);
                    return Request::Refused(self.deadlock(node, &path));
                }
                self.next_ticket += 1;
                let ticket = Ticket(self.next_ticket);
                self.tickets.insert(ticket, TicketState { build, requester });
                self.wait_for(build, Waiter::Ticket(ticket));
                Request::Pending(ticket)
            }
        }
    }

    /// Gives up a request. The construction goes on if others wait for it.
    pub fn abandon(&mut self, now: u64, ticket: Ticket) {
        self.look(now);
        if let Some(state) = self.tickets.remove(&ticket) {
            self.unwait(state.build, Waiter::Ticket(ticket));
        }
    }

    pub(super) fn settle(&mut self, ticket: Ticket, outcome: Result<Arg, Failure>) {
        self.tickets.remove(&ticket);
        self.commands.push(Command::Settle { ticket, outcome });
    }

    /// The way by which a constructor would wait for itself, if it waited for this build.
    fn circle(&self, requester: Op, build: usize) -> Option<Vec<NodeId>> {
        let own = self.constructing(requester)?;
        let mut path = vec![self.build(own)?.node];
        self.leads_to(build, own, &mut path, &mut vec![false; self.builds.len()]).then_some(path)
    }

    fn leads_to(&self, build: usize, own: usize, path: &mut Vec<NodeId>, seen: &mut [bool]) -> bool {
        let Some(entry) = self.build(build) else { return false };
        path.push(entry.node);
        if build == own {
            return true;
        }
        if !std::mem::replace(&mut seen[build], true) {
            let asked = self.tickets.values().filter(|ticket| {
                matches!((ticket.requester, entry.stage), (Some(requester), BuildStage::Constructing(op, _)) if requester == op)
            });
            let mut next = entry.holds.iter().map(|&(held, _)| held).chain(asked.map(|ticket| ticket.build));
            if next.any(|next| self.leads_to(next, own, path, seen)) {
                return true;
            }
        }
        path.pop();
        false
    }

    fn deadlock(&self, node: NodeId, path: &[NodeId]) -> Failure {
        let steps: Vec<_> = path.iter().map(|&node| self.plan.step(node).to_string()).collect();
        let message = format!("`{}` would wait for itself: {}", self.plan.label(path[0]), steps.join(" -> "));
        Failure { node, cause: FailureCause::Deadlock, message }
    }

    pub(super) fn closed(&self, node: NodeId) -> Failure {
        let message = format!("`{}` cannot be made: its scope is closed", self.plan.label(node));
        Failure { node, cause: FailureCause::Closed, message }
    }

    pub(super) fn not_entered(&self, node: NodeId) -> Failure {
        let scope = &self.plan.scopes()[self.plan.depth(node)];
        let message = format!("`{}` lives as long as the {scope}; ask for it inside that scope", self.plan.label(node));
        Failure { node, cause: FailureCause::Closed, message }
    }

    pub(super) fn not_given(&self, node: NodeId) -> Failure {
        let scope = &self.plan.scopes()[self.plan.depth(node)];
        let message = format!("`{}` comes with the scope \"{scope}\"; give it when the scope is entered", self.plan.label(node));
        Failure { node, cause: FailureCause::Closed, message }
    }
}
