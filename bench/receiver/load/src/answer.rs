//! Answers of receivers, which must be 200.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// An answer that takes longer ends the benchmark.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Reads one answer to its end.
///
/// # Errors
/// When it is not a 200, or not HTTP.
pub async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    answer.clear();
    loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = answer.get(..end).unwrap_or_default();
            let whole = end + 4 + length(head)?;
            if answer.len() >= whole {
                ensure!(head.starts_with(b"HTTP/1.1 200 "), "not taken: {}", String::from_utf8_lossy(answer));
                return Ok(());
            }
        }
        if stream.read_buf(answer).await.context("cannot read the answer")? == 0 {
            bail!("the receiver closed the connection");
        }
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).context("the answer's header is not text")?;
    let field = |line: &str| -> Option<String> {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().to_owned())
    };
    let value = head.lines().find_map(field).context("the answer has no Content-Length")?;
    value.parse().context("the answer's Content-Length is no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_read_in_any_case() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\ncontent-LENGTH:  7\r\nx: y").unwrap(), 7);
        assert!(length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked").is_err());
    }
}
