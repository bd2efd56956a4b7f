//! One keep-alive connection: HTTP/1.1 as far as the server speaks it.

use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// After which an idle connection is not used again: the server closes one after 10 s.
const IDLE: Duration = Duration::from_secs(8);

/// What is sent.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: &'static str,
    /// Below the base URL.
    pub path: String,
    pub token: &'static str,
    pub if_match: Option<String>,
    pub body: Option<String>,
}

/// What is answered.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Null when there is none, or when it is no JSON.
    pub body: Value,
    pub etag: String,
    pub retry_after: Option<u32>,
    pub has_request_id: bool,
}

impl Answer {
    pub fn id(&self) -> Option<String> {
        self.body["id"].as_str().map(str::to_owned)
    }

    pub fn resources(&self) -> &[Value] {
        self.body["Resources"].as_array().map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    /// With the time of its last answer.
    open: Option<(BufReader<TcpStream>, Instant)>,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        Self { address, open: None }
    }

    /// Opens it, if it is not.
    pub async fn open(&mut self) -> Result<(), String> {
        if self.open.as_ref().is_none_or(|(_, used)| used.elapsed() > IDLE) {
            let stream = TcpStream::connect(self.address).await.map_err(|error| format!("connect: {error}"))?;
            stream.set_nodelay(true).map_err(|error| error.to_string())?;
            self.open = Some((BufReader::new(stream), scimlet::ambient::monotonic()));
        }
        Ok(())
    }

    /// Sends, and reads the answer. A failure closes the connection.
    pub async fn send(&mut self, request: &Request) -> Result<Answer, String> {
        self.open().await?;
        let Some((mut stream, _)) = self.open.take() else { return Err("not open".into()) };
        let exchange = async {
            stream.write_all(&bytes(request, self.address)).await?;
            read(&mut stream).await
        };
        let answer =
            tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| format!("no answer in {PATIENCE:?}"))?;
        let (answer, is_closed) = answer.map_err(|error| format!("connection: {error}"))?;
        if !is_closed {
            self.open = Some((stream, scimlet::ambient::monotonic()));
        }
        Ok(answer)
    }
}

fn bytes(request: &Request, host: SocketAddr) -> Vec<u8> {
    let Request { method, path, token, .. } = request;
    let mut text = format!(
        "{method} /scim/v2{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\naccept: application/scim+json\r\n"
    );
    if let Some(version) = &request.if_match {
        text.push_str(&format!("if-match: {version}\r\n"));
    }
    if let Some(body) = &request.body {
        text.push_str(&format!("content-type: application/scim+json\r\ncontent-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(request.body.as_deref().unwrap_or_default());
    text.into_bytes()
}

/// An answer, and whether it was the last one on the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<(Answer, bool)> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status in '{}'", line.trim_end())))?;
    let mut answer = Answer { status, ..Answer::default() };
    let (mut length, mut is_closed) = (0, false);
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(std::io::Error::other)?,
            "connection" => is_closed = value == "close",
            "etag" => value.clone_into(&mut answer.etag),
            "retry-after" => answer.retry_after = value.parse().ok(),
            "x-request-id" => answer.has_request_id = true,
            "transfer-encoding" => return Err(std::io::Error::other("an answer without a length")),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    answer.body = serde_json::from_slice(&body).unwrap_or_default();
    Ok((answer, is_closed))
}
