//! Server addresses with the credentials that stand in them. The NATS client takes the one and ignores the other.

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// Servers of one cluster and how to log in there.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) servers: Vec<ServerAddr>,
    pub(super) login: Login,
}

/// What stood before the `@`.
#[derive(PartialEq, Eq)]
pub(super) enum Login {
    None,
    Token(String),
    Password { user: String, password: String },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(redacted)",
            Self::Password { .. } => "Password(redacted)",
        })
    }
}

/// Takes apart `nats://user:password@host:port`, or several of them with commas between; the first login holds for all.
pub(super) fn parse(url: &str) -> std::io::Result<Address> {
    let servers = url.split(',').map(|server| server.trim().parse()).collect::<Result<Vec<ServerAddr>, _>>()?;
    let login = servers.iter().map(login).find(|login| *login != Login::None).unwrap_or(Login::None);
    Ok(Address { servers, login })
}

fn login(server: &ServerAddr) -> Login {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match (server.username(), server.password()) {
        (Some(user), Some(password)) => Login::Password { user: decode(user), password: decode(password) },
        // NATS reads a name without a password as a token.
        (Some(token), None) => Login::Token(decode(token)),
        (None, _) => Login::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_of_a_url_is_used_and_decoded() {
        let address = parse("nats://one:4222, nats://me:p%40ss@two").unwrap();
        assert_eq!(address.servers.len(), 2);
        assert_eq!(address.login, Login::Password { user: "me".into(), password: "p@ss".into() });
        assert_eq!(parse("nats://hush@one").unwrap().login, Login::Token("hush".into()));
        assert_eq!(parse("127.0.0.1:4222").unwrap().login, Login::None);
    }

    #[test]
    fn a_url_of_another_scheme_is_refused() {
        assert!(parse("http://one").is_err());
    }
}
