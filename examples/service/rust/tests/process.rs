//! The service as a process: it keeps its contract, and ends well in the middle of load.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const SERVICE: &str = env!("CARGO_BIN_EXE_hostloop-links");
const AT_LAST: Duration = Duration::from_secs(20);

#[test]
fn the_service_keeps_its_contract() {
    let runner = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../conformance/service/run.py");
    let told = Command::new("python3").args([runner, "--", SERVICE]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}

#[test]
fn sigterm_in_the_middle_of_load_loses_nothing_and_leaves_the_database_closed() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("links.db");
    let service = Service::start(&database);
    let count = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, count) = (service.address, Arc::clone(&count));
            thread::spawn(move || create_until_refused(address, &count))
        })
        .collect();
    wait_until(|| count.load(Ordering::Relaxed) > 200);
    let status = service.terminate();
    let created: HashSet<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert!(status.success(), "{status}");
    for leftover in ["links.db-wal", "links.db-shm"] {
        assert!(!folder.path().join(leftover).exists(), "{leftover} is there: the database was not closed");
    }
    assert_eq!(kept(&database), created);
}

#[test]
fn an_address_in_use_ends_the_program_with_a_line_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let told = command(&folder.path().join("links.db"), taken.local_addr().unwrap().port()).output().unwrap();
    let error = String::from_utf8(told.stderr).unwrap();
    assert!(!told.status.success() && error.contains("another socket listens there"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_setting_that_cannot_be_used_ends_the_program_with_a_line_that_says_so() {
    let told = Command::new(SERVICE).env("PORT", "many").output().unwrap();
    assert_eq!(String::from_utf8(told.stderr).unwrap(), "links: PORT is \"many\"; set it to a number from 1 to 65535\n");
    assert!(!told.status.success());
}

#[test]
fn its_graph_can_be_looked_at() {
    let told = Command::new(SERVICE).arg("explain").output().unwrap();
    let page = String::from_utf8(told.stdout).unwrap();
    for name in ["Settings", "Clock", "Database", "Links", "greet", "sweeper", "http 127.0.0.1:8000"] {
        assert!(page.contains(name), "{name} is missing");
    }
}

struct Service {
    process: Child,
    address: SocketAddr,
}

impl Service {
    fn start(database: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = command(database, port).stdout(Stdio::null()).spawn().unwrap();
        let service = Self { process, address: ([127, 0, 0, 1], port).into() };
        wait_until(|| TcpStream::connect(service.address).is_ok());
        service
    }

    fn terminate(mut self) -> ExitStatus {
        // SAFETY: the process is a child that has not been waited for.
        assert_eq!(unsafe { libc::kill(self.process.id() as i32, libc::SIGTERM) }, 0);
        self.process.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

fn command(database: &Path, port: u16) -> Command {
    let mut command = Command::new(SERVICE);
    command.env("HOST", "127.0.0.1").env("PORT", port.to_string()).env("DATABASE", database).env("SWEEP", "0.01");
    command
}

fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < AT_LAST, "it never happens");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Creates links until the service takes no more connections, and returns the codes that it has confirmed.
fn create_until_refused(address: SocketAddr, count: &AtomicUsize) -> Vec<String> {
    let mut codes = Vec::new();
    while let Ok(stream) = TcpStream::connect(address) {
        let mut stream = BufReader::new(stream);
        let is_over = AtomicBool::new(false);
        while !is_over.load(Ordering::Relaxed) {
            let answer = create(&mut stream);
            assert!(answer.status == 201, "{}", answer.head);
            codes.push(answer.code());
            count.fetch_add(1, Ordering::Relaxed);
            is_over.store(answer.head.contains("connection: close"), Ordering::Relaxed);
        }
    }
    codes
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn code(&self) -> String {
        let link: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        link["code"].as_str().unwrap().to_owned()
    }
}

/// Sends a request on a kept connection. It was not told that the connection ends, so there must be an answer.
fn create(stream: &mut BufReader<TcpStream>) -> Answer {
    let body = r#"{"url": "https://example.com"}"#;
    let request = format!("POST /links HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.get_mut().write_all(request.as_bytes()).expect("the connection was closed without a word");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = stream.read_line(&mut head).expect("a request was lost");
        assert!(read > 0, "a request was lost");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a response was cut off");
    Answer { status: head[9..12].parse().unwrap(), head, body: String::from_utf8(body).unwrap() }
}

fn kept(database: &Path) -> HashSet<String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let whole: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    let mut codes = connection.prepare("SELECT code FROM links").unwrap();
    codes.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}
