//! One HTTP request as it comes over a connection, for servers that record what they are asked.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

/// One request as it was read.
pub(crate) struct Request {
    /// When its first bytes were there.
    pub(crate) began: Instant,
    /// Method and path, as `GET /rooms`.
    pub(crate) line: String,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// Reads one request; none where the sender closes.
    pub(crate) fn read(stream: &mut TcpStream) -> Result<Option<Self>> {
        let (mut bytes, mut began) = (Vec::new(), None);
        loop {
            if let Some(request) = parse(&bytes, began)? {
                return Ok(Some(request));
            }
            let mut piece = [0; 16 << 10];
            let count = stream.read(&mut piece).context("cannot read")?;
            if count == 0 {
                return Ok(None);
            }
            began = began.or_else(|| Some(Instant::now()));
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        }
    }
}

/// None as long as something is missing. LiveKit and the runner say how long their bodies are.
fn parse(bytes: &[u8], began: Option<Instant>) -> Result<Option<Request>> {
    let text = String::from_utf8_lossy(bytes);
    let (Some((head, body)), Some(began)) = (text.split_once("\r\n\r\n"), began) else { return Ok(None) };
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let line = head.lines().next().and_then(|line| line.rsplit_once(' ')).context("not a request")?.0.to_owned();
    let found = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let length: usize = match found("content-length") {
        Some((_, length)) => length.parse().context("not a length")?,
        None => 0,
    };
    ensure!(length > 0 || found("transfer-encoding").is_none(), "a request without a length: {head}");
    Ok((body.len() >= length).then(|| Request { began, line, headers, body: body.to_owned() }))
}
