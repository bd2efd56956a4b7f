//! Lambda's Runtime API, as far as a runtime calls it: the next invocation, its response, and errors.

use crate::Outcome;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long a program may take for what takes a second at a small share.
const PATIENCE: Duration = Duration::from_secs(60);

/// One for each start of a program, so that no call of another can be taken for its.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    calls: Receiver<Call>,
    has_ended: Arc<AtomicBool>,
}

/// A call that waits for its answer.
#[derive(Debug)]
pub struct Call {
    /// When all of it was there.
    pub at: Instant,
    path: String,
    pub body: Vec<u8>,
    stream: TcpStream,
}

impl RuntimeApi {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = channel();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let sender = sender.clone();
                std::thread::spawn(move || read_calls(&stream, &sender));
            }
        });
        Self { address, calls, has_ended }
    }

    /// What `AWS_LAMBDA_RUNTIME_API` holds.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The call for an invocation. `has_ended` says why the program has, if it has.
    pub fn next(&self, has_ended: impl FnMut() -> Option<String>) -> Outcome<Call> {
        self.call("/invocation/next", has_ended)
    }

    /// The call with a response.
    pub fn response(&self, has_ended: impl FnMut() -> Option<String>) -> Outcome<Call> {
        self.call("/response", has_ended)
    }

    fn call(&self, expected: &str, mut has_ended: impl FnMut() -> Option<String>) -> Outcome<Call> {
        let begun = scimlet::ambient::monotonic();
        loop {
            if let Ok(call) = self.calls.recv_timeout(Duration::from_millis(500)) {
                if call.path.ends_with(expected) {
                    return Ok(call);
                }
                return Err(format!("{} instead of {expected}: {}", call.path, String::from_utf8_lossy(&call.body)));
            }
            if let Some(why) = has_ended() {
                return Err(format!("ended before {expected}: {why}"));
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("no {expected} in {PATIENCE:?}"));
            }
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _either_way = TcpStream::connect(self.address);
    }
}

impl Call {
    /// Gives it an event, and says when.
    pub fn invoke(mut self, event: &str) -> Instant {
        // Lambda stops a function at its deadline, here in an hour.
        let deadline = scimlet::ambient::now().as_millisecond() + 3_600_000;
        let answer = format!(
            "HTTP/1.1 200 OK\r\n\
             content-type: application/json\r\n\
             content-length: {}\r\n\
             lambda-runtime-aws-request-id: {}\r\n\
             lambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:coldstart\r\n\
             lambda-runtime-trace-id: Root=1-6b001980-ad87e1a3fc3b68bbe0907b72;Sampled=0\r\n\r\n{event}",
            event.len(),
            scimlet::ambient::new_id(),
        );
        let at = scimlet::ambient::monotonic();
        // A program that has ended is found out by its next call, which does not come.
        let _either_way = self.stream.write_all(answer.as_bytes());
        at
    }

    /// Says that the response has arrived.
    pub fn accept(mut self) {
        let answer =
            "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"status\":\"OK\"}";
        let _either_way = self.stream.write_all(answer.as_bytes());
    }
}

/// Reads what comes on a connection until it is closed, or nobody wants it.
fn read_calls(stream: &TcpStream, calls: &Sender<Call>) {
    let _slower_otherwise = stream.set_nodelay(true);
    let Ok(mut reader) = stream.try_clone().map(BufReader::new) else { return };
    while let Ok(Some((path, body))) = read_call(&mut reader) {
        let Ok(stream) = stream.try_clone() else { return };
        if calls.send(Call { at: scimlet::ambient::monotonic(), path, body, stream }).is_err() {
            return;
        }
    }
}

/// Path and body of a request; `None` at the end.
fn read_call(reader: &mut BufReader<TcpStream>) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some((path, body)))
}
