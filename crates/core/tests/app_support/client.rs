//! A small HTTP client on a socket.

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use hostloop::{Address, app::Running};

pub(crate) struct Client(BufReader<TcpStream>);

/// A response: its status, its head as it was sent, and its body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn closes(&self) -> bool {
        self.head.contains("connection: close")
    }

    fn length(&self) -> Option<usize> {
        let line = self.head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        line.trim().parse().ok()
    }
}

/// Where an application listens over TCP.
pub(crate) fn place(running: &Running) -> std::net::SocketAddr {
    match running.addresses().first() {
        Some(Address::Tcp(address)) => *address,
        other => panic!("it listens at {other:?}"),
    }
}

impl Client {
    pub(crate) async fn connect(running: &Running) -> Self {
        Self(BufReader::new(TcpStream::connect(place(running)).await.unwrap()))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends, and returns whether the connection took it.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        self.0.write_all(text.as_bytes()).await.is_ok()
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.answer().await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        self.send(&format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        self.answer().await.unwrap()
    }

    /// Reads the next response, or nothing if the server has closed before its first byte.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        match answer.length() {
            Some(length) => {
                answer.body.resize(length, 0);
                self.0.read_exact(&mut answer.body).await.unwrap();
            }
            None if answer.head.contains("transfer-encoding: chunked") => {
                while let Some(chunk) = self.chunk().await {
                    answer.body.extend(chunk);
                }
            }
            None => {}
        }
        Some(answer)
    }

    /// Reads a head up to its empty line.
    pub(crate) async fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).await.unwrap_or(0);
            if read == 0 {
                assert!(head.is_empty(), "the head is incomplete: {head}");
                return None;
            }
        }
        Some(head)
    }

    /// Reads a chunk of a streamed body, or nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("the body is incomplete: {line:?}"));
        let mut chunk = vec![0; length + 2];
        self.0.read_exact(&mut chunk).await.unwrap();
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// Reads all that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}
