//! What a case says.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    /// Modules with the module that each is in.
    pub(crate) modules: Vec<(String, String)>,
    pub(crate) nodes: Vec<Value>,
    pub(crate) options: Value,
    pub(crate) steps: Vec<String>,
    pub(crate) expect: Vec<String>,
}

impl Case {
    pub(crate) fn read(value: &Value) -> Self {
        let modules = value["modules"].as_object().into_iter().flatten();
        let scopes = texts(&value["scopes"]);
        Self {
            name: value["name"].as_str().expect("a case has a name").into(),
            scopes: if scopes.is_empty() { vec!["app".into(), "request".into()] } else { scopes },
            modules: modules.map(|(name, parent)| (name.clone(), parent.as_str().unwrap().into())).collect(),
            nodes: value["nodes"].as_array().expect("a case has nodes").clone(),
            options: value["options"].clone(),
            steps: texts(&value["steps"]),
            expect: texts(&value["expect"]),
        }
    }
}

pub(crate) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().expect("a text").into()).collect()
}

pub(crate) fn seconds(value: &Value) -> Option<Duration> {
    value.as_f64().map(Duration::from_secs_f64)
}

/// What one call does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Act {
    pub(crate) takes: Duration,
    pub(crate) fails: bool,
    pub(crate) is_fatal: bool,
    pub(crate) hangs: bool,
    pub(crate) ignores_cancel: bool,
    /// It takes this long to end when it is cancelled.
    pub(crate) unwinds: Duration,
    /// It asks for this node, and waits for it.
    pub(crate) asks: Option<String>,
    /// It adds a hook of this name.
    pub(crate) hook: Option<String>,
    /// It ends as if somebody had cancelled it.
    pub(crate) cancels: bool,
    /// It goes on when it is asked to stop.
    pub(crate) ignores_stop: bool,
}

impl Act {
    fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let flag = |name: &str| value[name].as_bool().unwrap_or_default();
        Self {
            takes: seconds(&value["takes"]).unwrap_or_default(),
            fails: flag("fails"),
            is_fatal: flag("fatal"),
            hangs: flag("hangs"),
            ignores_cancel: flag("ignores_cancel"),
            unwinds: seconds(&value["unwinds"]).unwrap_or_default(),
            asks: text("asks"),
            hook: text("hook"),
            cancels: flag("cancels"),
            ignores_stop: flag("ignores_stop"),
        }
    }

    /// What a call does the how-manieth time. A list says it for each time, the last for all that follow.
    pub(crate) fn of(node: &Value, call: &str, time: usize) -> Self {
        match &node[call] {
            Value::Array(acts) => acts.get(time).or(acts.last()).map(Self::read).unwrap_or_default(),
            act => Self::read(act),
        }
    }
}

/// How often each call was made.
#[derive(Default)]
pub(crate) struct Times(HashMap<(usize, &'static str), usize>);

impl Times {
    pub(crate) fn next(&mut self, node: usize, call: &'static str) -> usize {
        let times = self.0.entry((node, call)).or_default();
        *times += 1;
        *times - 1
    }
}
