//! What starts after what, and stops before it.
//!
//! Items are hooks, workers and listeners. In the order by levels, a barrier stands between one level and the next: an item with
//! nothing to run. The stop walks the same edges backwards.

use std::collections::{BTreeMap, HashMap};

use super::{
    super::{
        graph::{NodeId, NodeKind},
        plan::{Dep, Plan},
    },
    Age, Hook, Order,
    command::{HookId, Op},
    supervise::Worker,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Hook(HookId),
    Worker(usize),
    Listener,
    Barrier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    Down,
    Starting(Option<Op>),
    Up,
    Stopping(Option<Op>),
    /// It has been down, and will not start again.
    Done,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) what: What,
    pub(super) node: NodeId,
    pub(super) state: ItemState,
    pub(super) after: Vec<usize>,
    pub(super) before: Vec<usize>,
    /// What it waits for: of `after` in the start, of `before` in the stop.
    pub(super) waits: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Schedule {
    pub(super) items: Vec<Item>,
    places: HashMap<What, usize>,
    /// How many items are up, and how many are done.
    up: usize,
    done: usize,
}

impl Schedule {
    pub(super) fn of(plan: &Plan, order: Order, hooks: &[Hook], workers: &[Worker]) -> Self {
        let mut schedule = Self::default();
        let live = hooks.iter().enumerate().filter(|(_, hook)| hook.age == Age::Current);
        for (index, hook) in live {
            schedule.push(What::Hook(HookId(index as u32)), hook.node);
        }
        for (index, worker) in workers.iter().enumerate() {
            schedule.push(What::Worker(index), worker.node);
        }
        for node in plan.nodes().filter(|&node| plan.kind(node) == NodeKind::Listener) {
            schedule.push(What::Listener, node);
        }
        match order {
            Order::Levels => schedule.link_levels(plan),
            Order::Dependencies => schedule.link_dependencies(plan),
        }
        schedule
    }

    fn push(&mut self, what: What, node: NodeId) -> usize {
        if matches!(what, What::Hook(_) | What::Worker(_)) {
            self.places.insert(what, self.items.len());
        }
        self.items.push(Item { what, node, state: ItemState::Down, after: Vec::new(), before: Vec::new(), waits: 0 });
        self.items.len() - 1
    }

    fn link(&mut self, first: usize, then: usize) {
        self.items[first].before.push(then);
        self.items[then].after.push(first);
    }

    fn link_levels(&mut self, plan: &Plan) {
        let mut levels: BTreeMap<(u8, usize), Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            let class = match item.what {
                What::Hook(_) => 0,
                What::Worker(_) => 1,
                What::Listener | What::Barrier => 2,
            };
            levels.entry((class, plan.level(item.node))).or_default().push(index);
        }
        let mut last: Option<Vec<usize>> = None;
        for level in levels.into_values() {
            if let Some(last) = last {
                let barrier = self.push(What::Barrier, self.items[last[0]].node);
                last.iter().for_each(|&first| self.link(first, barrier));
                level.iter().for_each(|&then| self.link(barrier, then));
            }
            last = Some(level);
        }
    }

    fn link_dependencies(&mut self, plan: &Plan) {
        let mut of_node: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for (index, item) in self.items.iter().enumerate() {
            of_node.entry(item.node).or_default().push(index);
        }
        // For each node, the items that must be up before what needs it starts.
        let mut below: Vec<Vec<usize>> = vec![Vec::new(); plan.len()];
        for &node in plan.order() {
            let needs = plan.deps(node).iter().copied().filter_map(Dep::eager);
            let needs: Vec<_> = needs.chain(plan.node(node).after.iter().copied()).collect();
            let mut under: Vec<usize> = needs.iter().flat_map(|need| below[need.index()].iter().copied()).collect();
            under.sort_unstable();
            under.dedup();
            match of_node.get(&node) {
                Some(items) => {
                    for &item in items {
                        under.iter().for_each(|&first| self.link(first, item));
                    }
                    below[node.index()].clone_from(items);
                }
                None => below[node.index()] = under,
            }
        }
        let is_listener = |item: &Item| item.what == What::Listener;
        let (listeners, others): (Vec<_>, Vec<_>) = (0..self.items.len()).partition(|&item| is_listener(&self.items[item]));
        for &listener in &listeners {
            for &other in &others {
                if !self.items[listener].after.contains(&other) {
                    self.link(other, listener);
                }
            }
        }
    }

    pub(super) fn set(&mut self, item: usize, state: ItemState) {
        let old = std::mem::replace(&mut self.items[item].state, state);
        for (count, of) in [(&mut self.up, ItemState::Up), (&mut self.done, ItemState::Done)] {
            *count = *count + usize::from(state == of) - usize::from(old == of);
        }
    }

    /// Returns whether every item is up, or every item is done.
    pub(super) fn is_all(&self, state: ItemState) -> bool {
        self.items.len() == if state == ItemState::Up { self.up } else { self.done }
    }

    /// Prepares the start, and returns what waits for nothing.
    pub(super) fn begin_start(&mut self) -> Vec<usize> {
        self.items.iter_mut().for_each(|item| item.waits = item.after.len());
        self.waiting_for_nothing()
    }

    /// Prepares the stop, and returns what nothing depends on.
    pub(super) fn begin_stop(&mut self) -> Vec<usize> {
        self.items.iter_mut().for_each(|item| item.waits = item.before.len());
        self.waiting_for_nothing()
    }

    fn waiting_for_nothing(&self) -> Vec<usize> {
        (0..self.items.len()).filter(|&item| self.items[item].waits == 0).collect()
    }

    /// Counts one that is up for those after it, and returns which of them wait for nothing more.
    pub(super) fn is_up(&mut self, item: usize) -> Vec<usize> {
        let next = self.items[item].before.clone();
        self.count_down(next)
    }

    /// Counts one that is down for those before it, and returns which of them nothing depends on any more.
    pub(super) fn is_down(&mut self, item: usize) -> Vec<usize> {
        let next = self.items[item].after.clone();
        self.count_down(next)
    }

    fn count_down(&mut self, next: Vec<usize>) -> Vec<usize> {
        let items = &mut self.items;
        let is_free = |item: &usize| {
            items[*item].waits -= 1;
            items[*item].waits == 0
        };
        next.into_iter().filter(is_free).collect()
    }

    pub(super) fn find(&self, what: What) -> Option<usize> {
        self.places.get(&what).copied()
    }
}
