//! Those whom the guests ask: somebody's server, which answers by path and notes what it is asked, and LiveKit's API, which
//! lists its rooms for who shows a token with that grant.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use testkit::webhook::{KEY, SECRET};

use super::scenario::{Reply, Scenario};
use crate::rig::Request;

/// Listens until the test ends.
#[derive(Clone)]
pub(super) struct Upstream {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// What is left to answer: by guest, method and path.
    replies: HashMap<String, Vec<Reply>>,
    asked: Vec<Asked>,
}

/// A request of a guest.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The first part of the path.
    pub(super) guest: String,
    /// Method and the rest of the path.
    pub(super) line: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Upstream {
    pub(super) fn start(scenario: &Scenario, guests: &[&str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr()?;
        let of = |guest: &&str| {
            let guest = (*guest).to_owned();
            scenario.upstream.iter().map(move |(line, replies)| (format!("{guest} {line}"), replies.clone()))
        };
        let state = State { replies: guests.iter().flat_map(of).collect(), asked: Vec::new() };
        let upstream = Self { address, state: Arc::new(Mutex::new(state)) };
        let rooms: Arc<str> =
            json!({ "rooms": scenario.rooms.iter().map(room).collect::<Vec<_>>() }).to_string().into();
        let accepting = upstream.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (upstream, rooms) = (accepting.clone(), rooms.clone());
                // A connection that breaks shows in what is asked.
                thread::spawn(move || upstream.serve(stream, &rooms));
            }
        });
        Ok(upstream)
    }

    /// What `allow.http` grants.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of what a guest asks for.
    pub(super) fn endpoint(&self, guest: &str) -> String {
        format!("{}/{guest}", self.origin())
    }

    /// What came so far, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    fn serve(&self, mut stream: TcpStream, rooms: &str) -> Result<()> {
        while let Some(request) = Request::read(&mut stream)? {
            let Reply { status, body } = self.answer(request, rooms);
            let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            stream.write_all(format!("HTTP/1.1 {status} Scripted\r\n{length}\r\n{body}").as_bytes())?;
        }
        Ok(())
    }

    fn answer(&self, request: Request, rooms: &str) -> Reply {
        let (method, path) = request.line.split_once(' ').unwrap_or_default();
        if path.starts_with("/twirp/") {
            return list_rooms(&request, rooms);
        }
        let (guest, path) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
        let (guest, line) = (guest.to_owned(), format!("{method} /{path}"));
        let mut state = self.state();
        let reply = match state.replies.get_mut(&format!("{guest} {line}")) {
            Some(replies) if replies.len() > 1 => Some(replies.remove(0)),
            Some(replies) => replies.first().cloned(),
            None => None,
        };
        let headers = request.headers.into_iter().collect();
        state.asked.push(Asked { guest, line, headers, body: request.body });
        reply.unwrap_or_else(|| Reply { status: 501, body: "nobody said what to answer".to_owned() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn room(name: &String) -> Value {
    json!({ "sid": "RM_pXjZNe64D5xr", "name": name, "emptyTimeout": 300, "creationTime": "1795429074", "numParticipants": 2 })
}

/// As LiveKit does it: the token must be signed with the secret of a known key, be of now, and have the grant.
fn list_rooms(request: &Request, rooms: &str) -> Reply {
    let header = |wanted: &str| {
        let found = request.headers.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    let refused =
        |text: &str| Reply { status: 401, body: json!({ "code": "unauthenticated", "msg": text }).to_string() };
    let token = header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iss", "nbf"]);
    validation.set_issuer(&[KEY]);
    validation.validate_nbf = true;
    let claims = match decode::<Value>(token, &DecodingKey::from_secret(SECRET.as_bytes()), &validation) {
        Ok(token) => token.claims,
        Err(error) => return refused(&error.to_string()),
    };
    match request.line.as_str() {
        "POST /twirp/livekit.RoomService/ListRooms" if claims["video"]["roomList"] != true => refused("no `roomList`"),
        "POST /twirp/livekit.RoomService/ListRooms"
            if request.body != "{}" || header("content-type") != "application/json" =>
        {
            Reply { status: 400, body: json!({ "code": "malformed", "msg": request.body }).to_string() }
        }
        "POST /twirp/livekit.RoomService/ListRooms" => Reply { status: 200, body: rooms.to_owned() },
        line => Reply { status: 404, body: json!({ "code": "bad_route", "msg": line }).to_string() },
    }
}
