//! The picture, as JSON, DOT, Mermaid and a page that a real browser shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{path::Path, process::Command as Process, sync::Arc};

use hostloop::lifecycle::{Command, Explanation, Graph, Lifetime, Need, Node, NodeKind, Op, Options, Outcome, Run};

/// A small service: started, with a worker that has failed once and a value that was never made.
fn service() -> Run {
    let mut graph = Graph::default();
    let [settings, database, clock, links, cache] =
        ["Settings", "Database", "Clock", "Links", "Cache<str>"].map(|label| graph.key(label));
    graph.add(Node::new(NodeKind::Value, "Settings", "main.py:3").provides(settings));
    graph.add(Node::new(NodeKind::Resource, "database", "main.py:9").provides(database).needs([Need::key("settings", settings)]));
    graph.add(Node::new(NodeKind::Factory, "Clock", "main.py:12").provides(clock));
    let needs = [Need::key("database", database), Need::key("clock", clock)];
    graph.add(Node::new(NodeKind::Factory, "Links", "main.py:20").provides(links).needs(needs));
    graph.add(Node::new(NodeKind::Resource, "cache", "main.py:24").provides(cache));
    graph.add(Node::new(NodeKind::Worker, "sweeper", "main.py:30").needs([Need::key("links", links)]));
    graph.add(Node::new(NodeKind::Hook, "migrate", "main.py:35").needs([Need::key("database", database)]));
    let handler = Node::new(NodeKind::Handler, "GET /{code}", "main.py:40").lifetime(Lifetime::Scope("request".into()));
    graph.add(handler.needs([Need::key("links", links), Need::key("clock", clock).lazy()]));
    let mut run = Run::new(Arc::new(graph.seal().unwrap()), Options::default());
    run.start(0).unwrap();
    play(&mut run);
    run
}

/// Answers everything at once; the worker fails the first time.
fn play(run: &mut Run) {
    for tenth in 1..10 {
        let now = tenth * 100_000_000;
        run.poll(now);
        let answers = run.take_commands().into_iter().filter_map(answer).collect::<Vec<_>>();
        for (op, outcome) in answers {
            run.complete(now, op, outcome);
        }
    }
}

fn answer(command: Command) -> Option<(Op, Outcome)> {
    match command {
        Command::Construct { op, .. } | Command::StartHook { op, .. } => Some((op, Outcome::Done)),
        Command::RunWorker { op, attempt: 1, .. } => Some((op, Outcome::Failed(1))),
        _ => None,
    }
}

fn node<'e>(explanation: &'e Explanation, label: &str) -> &'e hostloop::lifecycle::ExplainedNode {
    explanation.nodes.iter().find(|node| node.label == label).unwrap()
}

#[test]
fn each_node_has_its_state_and_how_long_it_took() {
    let explanation = service().explain();
    assert_eq!(explanation.stage, "running");
    let states = ["Settings", "database", "Links", "cache", "sweeper", "migrate", "GET /{code}"].map(|label| {
        let node = node(&explanation, label);
        (node.state.as_str(), node.took.is_some(), node.level)
    });
    assert_eq!(
        states,
        [
            ("ready", false, 0),
            ("ready", true, 1),
            ("ready", true, 2),
            ("unused", false, 0),
            ("running", false, 3),
            ("up", true, 2),
            ("serving", false, 3)
        ]
    );
    assert_eq!(node(&explanation, "sweeper").detail, "attempt 2, 1 restarts");
}

#[test]
fn before_the_start_it_shows_the_plan() {
    let mut graph = Graph::default();
    let key = graph.key("Database");
    graph.add(Node::new(NodeKind::Factory, "database", "").provides(key));
    graph.add(Node::new(NodeKind::Invoke, "warm", "").needs([Need::key("", key)]));
    let explanation = graph.seal().unwrap().explain();
    assert_eq!((explanation.stage.as_str(), explanation.nodes[0].state.as_str()), ("planned", "planned"));
}

#[test]
fn json_has_every_node_and_edge() {
    let json = service().explain().to_json();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 8);
    assert_eq!(json["nodes"][1]["kind"], "resource");
    assert_eq!(json["nodes"][1]["source"], "main.py:9");
    assert_eq!(json["nodes"][1]["seconds"], 0.1);
    let lazy = json["edges"].as_array().unwrap().iter().filter(|edge| edge["kind"] == "lazy").count();
    assert_eq!(lazy, 1);
}

#[test]
fn dot_and_mermaid_name_every_node_and_edge() {
    let explanation = service().explain();
    let (dot, mermaid) = (explanation.to_dot(), explanation.to_mermaid());
    assert!(dot.starts_with("digraph hostloop {") && dot.ends_with("}\n"));
    assert!(dot.contains("n1 -> n0;") && dot.contains("n7 -> n2 [style=dashed, label=\"lazy\"];"));
    assert!(mermaid.starts_with("flowchart RL\n") && mermaid.contains("n1 --> n0") && mermaid.contains("n7 -.->|lazy| n2"));
    for node in &explanation.nodes {
        assert!(dot.contains(&node.label) && mermaid.contains(&node.label), "{}", node.label);
    }
}

#[test]
fn a_browser_shows_the_page() {
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain.html");
    let picture = page.with_extension("png");
    let html = service().explain().to_html();
    assert!(!html.contains("http://") || html.matches("http").count() == html.matches("http://www.w3.org/2000/svg").count());
    std::fs::write(&page, html).unwrap();
    let dom = browse(&["--dump-dom", &format!("file://{}", page.display())]);
    let shown = String::from_utf8(dom).unwrap();
    assert_eq!(shown.matches("<g class=\"node ").count(), 8, "not every node is drawn");
    assert_eq!(shown.matches("class=\"edge ").count(), 7, "not every edge is drawn");
    assert!(shown.contains("Cache&lt;str&gt;"), "a label was taken for a tag");
    browse(&[&format!("--screenshot={}", picture.display()), "--window-size=1400,900", &format!("file://{}", page.display())]);
    let picture = std::fs::read(&picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "the picture is empty");
}

/// Runs chromium, which `make test` installs.
fn browse(arguments: &[&str]) -> Vec<u8> {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Process::new(name).arg("--version").output().is_ok_and(|output| output.status.success()));
    let browser = browser.expect("chromium is needed: install it, on Debian `apt-get install chromium`");
    let output = Process::new(browser).args(["--headless", "--no-sandbox", "--disable-gpu"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
