//! A receiver that answers from a script, on threads of its own, and notes when each attempt came.

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};

use super::Request;

/// How an attempt is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// With this status and no body.
    Status(u16),
    /// With this status, no body, and so many seconds in `Retry-After`.
    After(u16, u32),
    /// With 200 and a body of two bytes.
    Body,
    /// Not at all, and the connection stays open.
    Hang,
    /// Not at all: the connection is closed.
    Close,
}

/// What an event's attempts are answered, one after the other, by the event's id; 200 where there is nothing left.
pub(crate) type Script = HashMap<String, VecDeque<Reply>>;

/// One attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) room: String,
    /// When its first bytes were there.
    pub(crate) began: Instant,
    /// When its answer was written.
    pub(crate) ended: Instant,
    /// The number of its connection.
    pub(crate) connection: usize,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) reply: Reply,
}

impl Reply {
    /// Whether the connection serves afterwards.
    pub(crate) fn keeps_the_connection(self) -> bool {
        matches!(self, Reply::Status(_) | Reply::After(..))
    }
}

impl Attempt {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// Listens until the test ends.
#[derive(Clone)]
pub(crate) struct Recorder {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    script: Script,
    attempts: Vec<Attempt>,
}

impl Recorder {
    pub(crate) fn start(script: Script) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr()?;
        let recorder = Self { address, state: Arc::new(Mutex::new(State { script, attempts: Vec::new() })) };
        let accepting = recorder.clone();
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().flatten().enumerate() {
                let recorder = accepting.clone();
                // A connection that breaks shows in the attempts.
                thread::spawn(move || recorder.serve(stream, connection));
            }
        });
        Ok(recorder)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/livekit", self.address)
    }

    /// What came so far, in order.
    pub(crate) fn attempts(&self) -> Vec<Attempt> {
        self.state().attempts.clone()
    }

    fn serve(&self, mut stream: TcpStream, connection: usize) -> Result<()> {
        while let Some(Request { began, headers, body, .. }) = Request::read(&mut stream)? {
            let event: serde_json::Value = serde_json::from_str(&body).context("not JSON")?;
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let (id, room) = (text(&event["id"]), text(&event["room"]["name"]));
            let reply = self.state().script.get_mut(&id).and_then(VecDeque::pop_front).unwrap_or(Reply::Status(200));
            let mut state = self.state();
            // Under the lock: the next attempt cannot be noted before this one.
            let sent = write(&mut stream, reply);
            let ended = Instant::now();
            state.attempts.push(Attempt { id, room, began, ended, connection, headers, body, reply });
            drop(state);
            sent?;
            if reply == Reply::Close {
                break;
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(stream: &mut TcpStream, reply: Reply) -> Result<()> {
    let answer = match reply {
        Reply::Status(status) => format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\n\r\n"),
        Reply::After(status, seconds) => {
            format!("HTTP/1.1 {status} Scripted\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n")
        }
        Reply::Body => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        Reply::Hang | Reply::Close => return Ok(()),
    };
    stream.write_all(answer.as_bytes()).context("cannot answer")
}
