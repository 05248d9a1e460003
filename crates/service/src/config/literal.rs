//! Secrets that stand in the configuration itself: a file that others will read must have none.

use super::{Config, Place, Problem};

/// Every secret that stands in the file as it is, instead of as `${NAME}` or `{ file: … }`; passwords in URLs as well.
#[must_use]
pub fn literal_secrets(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |place: Place, what: String, hint: String| {
        problems.push(config.problem_at(place, format!("{what} stands in the file itself"), Some(hint)));
    };
    for (name, place) in config.livekit.literals() {
        let hint =
            "write `${LIVEKIT_API_SECRET}` or `{ file: /run/secrets/livekit }`: each runner reads its own".to_owned();
        refuse(place, format!("the secret of key `{name}`"), hint);
    }
    for (name, place) in config.secrets.literals() {
        let hint = format!("write `${{{name}}}` or `{{ file: /run/secrets/… }}`: each runner reads its own");
        refuse(place, format!("the secret `{name}`"), hint);
    }
    let start = Place { line: 1, column: 1 };
    if config.nats.url.as_deref().is_some_and(has_password) {
        let hint = "remove `nats.url`: each runner has its own, in its file or its flags".to_owned();
        refuse(start, "a password of `nats.url`".to_owned(), hint);
    }
    if has_password(&config.state.url) {
        let hint = "remove `state.url`: each runner has its own, in its file".to_owned();
        refuse(start, "a password of `state.url`".to_owned(), hint);
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems
}

/// Something before the `@` of a server is a password, a token, or a user with a password, unless it is a variable or
/// a bare name.
fn has_password(url: &str) -> bool {
    url.split(',').any(|server| {
        let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        let is_nats = !server.starts_with("postgres");
        let secret = user.split_once(':').map_or(if is_nats { user } else { "" }, |(_, password)| password);
        !secret.is_empty() && !secret.contains("${")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_password_of_a_url_is_found_and_a_variable_or_a_name_is_none() {
        for (url, found) in [
            ("nats://one:4222,two:4222", false),
            ("nats://me:hush@one:4222", true),
            ("nats://one,nats://token@two", true),
            ("nats://me:${PASSWORD}@one", false),
            ("nats://${TOKEN}@one", false),
            ("postgres://me@db/rw", false),
            ("postgres://me:hush@db/rw", true),
            ("sqlite:state.db", false),
        ] {
            assert_eq!(has_password(url), found, "{url}");
        }
    }

    #[test]
    fn each_literal_secret_is_named_with_its_place_and_references_are_not() {
        let text = "\
livekit: { keys: { APIone: 0123456789012345678901234567890123, APItwo: '${TWO}', APIthree: { file: /x } } }
secrets:
  OPEN: hunter22
  REF: ${REF}
state: { url: 'postgres://me:hush@db/rw' }
";
        let config = super::super::parse(text, Path::new("roomwire.yaml")).unwrap();
        let found: Vec<(u64, String)> =
            literal_secrets(&config).into_iter().map(|problem| (problem.line, problem.message)).collect();
        let of = |line, what: &str| (line, format!("{what} stands in the file itself"));
        let expected =
            [of(1, "a password of `state.url`"), of(1, "the secret of key `APIone`"), of(3, "the secret `OPEN`")];
        assert_eq!(found, expected);
        assert!(literal_secrets(&Config::default()).is_empty());
    }
}
