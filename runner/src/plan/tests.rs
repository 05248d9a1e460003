//! Tables of what changes from one file to another, and what that means.

use std::path::Path;

use super::*;

const HEAD: &str =
    "secrets: { ONE: { file: one }, TWO: { file: two } }\nlivekit: { url: 'ws://a:1', keys: { K: '${K}' } }\n";

fn file(head: &str, handlers: &str) -> Config {
    let text = format!("{head}handlers:\n{handlers}");
    service::config::parse(&text, Path::new("conf/roomwire.yaml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Handlers as `name, more keys`.
fn of(handlers: &[&str]) -> Config {
    let lines: Vec<String> = handlers
        .iter()
        .map(|it| it.trim_end_matches([',', ' ']))
        .map(|it| format!("  - {{ name: {it}, plugin: ./a.wasm, on: [room_started, room_finished] }}\n"))
        .collect();
    if lines.is_empty() {
        service::config::parse(HEAD, Path::new("conf/roomwire.yaml")).unwrap()
    } else {
        file(HEAD, &lines.concat())
    }
}

fn steps(plan: &Plan) -> Vec<(&str, What, Vec<&str>)> {
    let keys = |step: &Step| step.changes.iter().map(|change| change.key).collect();
    plan.steps.iter().map(|step| (step.name.as_str(), step.what.clone(), keys(step))).collect()
}

#[test]
fn handlers_come_go_and_are_renamed() {
    let renamed = |from: &str| What::Renamed { from: from.to_owned() };
    for (name, old, new, expected) in [
        ("the same", &["a", "b"][..], &["b", "a"][..], vec![]),
        ("one comes", &["a"], &["a", "b"], vec![("b", What::Added, vec![])]),
        ("one goes", &["a", "b"], &["b"], vec![("a", What::Removed, vec![])]),
        ("all go", &["a", "b"], &[], vec![("a", What::Removed, vec![]), ("b", What::Removed, vec![])]),
        ("another name without a word", &["a"], &["b"], vec![("b", What::Added, vec![]), ("a", What::Removed, vec![])]),
        ("another name", &["a"], &["b, renamed_from: a"], vec![("b", renamed("a"), vec![])]),
        (
            "another name and another rule",
            &["a"],
            &["b, renamed_from: a, order: none"],
            vec![("b", renamed("a"), vec!["order"])],
        ),
        ("renamed before", &["b, renamed_from: a"], &["b, renamed_from: a"], vec![]),
        ("the word is taken out again", &["b, renamed_from: a"], &["b"], vec![]),
        ("of one that is not there", &["x"], &["x", "b, renamed_from: a"], vec![("b", What::Added, vec![])]),
    ] {
        let plan = diff(&of(old), &of(new));
        assert_eq!(steps(&plan), expected, "{name}");
        assert!(plan.refused.is_empty() && plan.notes.is_empty(), "{name}: {plan:?}");
    }
}

#[test]
fn who_has_progress_of_its_own_takes_none_over() {
    let plan = diff(&of(&["a", "b"]), &of(&["b, renamed_from: a"]));
    assert_eq!(steps(&plan), [("a", What::Removed, vec![])]);
    assert_eq!(plan.notes, ["handler `b` has progress of its own: that of `a` is kept, and not taken over"]);
}

#[test]
fn what_a_handler_runs_by_restarts_it_and_nothing_else_does() {
    use What::{InPlace, Restarted};
    for (key, old, new, what) in [
        ("when", "", "when: event.a == 'x'", Restarted),
        ("start", "start: new", "start: all", InPlace),
        ("order", "", "order: none", Restarted),
        ("on_dead", "", "on_dead: hold", Restarted),
        ("concurrency", "concurrency: 4", "concurrency: 5", Restarted),
        ("timeout", "timeout: 1s", "timeout: 2s", Restarted),
        ("memory", "memory: 64MiB", "memory: 32MiB", Restarted),
        ("retry", "retry: { for: 1h }", "retry: { for: 2h }", Restarted),
        ("breaker", "", "breaker: off", Restarted),
        ("rate", "rate: 1/s", "rate: 2/s", Restarted),
        ("waiting", "", "waiting: { room_events: 7 }", Restarted),
        ("config", "config: { a: b }", "config: { a: c }", Restarted),
        ("secrets", "secrets: [ONE]", "secrets: [ONE, TWO]", Restarted),
        ("allow", "", "allow: { publish: [x] }", Restarted),
        ("send", "", "allow: { http: ['https://a.example'] }, send: { timeout: 3s }", Restarted),
    ] {
        let plan = diff(&of(&[&format!("a, {old}")]), &of(&["neighbour", &format!("a, {new}")]));
        let step = plan.steps.iter().find(|step| step.name == "a").unwrap_or_else(|| panic!("{key}: {plan:?}"));
        assert_eq!(step.what, what, "{key}");
        assert!(step.changes.iter().any(|change| change.key == key), "{key}: {step:?}");
    }
}

#[test]
fn a_value_that_is_written_otherwise_is_no_change_and_a_line_that_moves_is_none() {
    let spellings =
        [("timeout: 5s, rate: 60/m", "rate: 60/m, timeout: 5000ms"), ("", "order: room, on_dead: continue")];
    for (old, new) in spellings {
        let moved = file(
            &format!("# a line more\n{HEAD}"),
            &format!(
                "  - name: a\n    plugin: ./a.wasm\n    on: [room_started, room_finished]\n    {}\n",
                new.replace(", ", "\n    ")
            ),
        );
        assert!(diff(&of(&[&format!("a, {old}")]), &moved).is_empty(), "{new}");
    }
}

#[test]
fn a_change_shows_both_sides_as_they_are_written() {
    let plan = diff(&of(&["a, retry: { for: 1h, jitter: 0.10 }"]), &of(&["a, start: all"]));
    let shown: Vec<_> = plan.steps[0].changes.iter().map(|it| (it.key, it.old.as_deref(), it.new.as_deref())).collect();
    assert_eq!(shown, [("start", None, Some("all")), ("retry", Some("{ for: 1h, jitter: 0.10 }"), None)]);
}

#[test]
fn handlers_that_are_granted_what_comes_from_elsewhere_now_restart() {
    let handlers = "  - { name: one, plugin: ./a.wasm, on: '*', secrets: [ONE] }\n  - { name: api, plugin: ./a.wasm, on: '*', allow: { livekit: [RoomService/ListRooms] } }\n  - { name: none, plugin: ./a.wasm, on: '*' }\n";
    let old = file(HEAD, handlers);
    for (head, expected) in [
        (HEAD.replace("file: one", "file: other"), vec!["one"]),
        (HEAD.replace("file: two", "file: other"), vec![]),
        (HEAD.replace("a:1", "b:1"), vec!["api"]),
        (HEAD.replace("K: '${K}'", "K: '${OTHER}'"), vec!["api"]),
    ] {
        let plan = diff(&old, &file(&head, handlers));
        assert_eq!(plan.stopping().collect::<Vec<_>>(), expected, "{head}");
        assert_eq!(plan.starting().collect::<Vec<_>>(), expected, "{head}");
    }
}

#[test]
fn what_progress_hangs_on_is_refused_and_what_others_take_is_said() {
    let old = of(&["a"]);
    for (head, refused, note) in [
        ("nats: { prefix: other }\n", Some("nats.prefix"), None),
        ("streams: { shards: 9 }\n", Some("streams.shards"), None),
        ("state: { url: 'sqlite:other.db' }\n", Some("state.url"), None),
        ("streams: { keep: 1h }\n", None, Some("`streams` is taken when the runner is restarted")),
        ("nats: { url: 'nats://x' }\n", None, Some("`nats` is taken when the runner is restarted")),
        ("runner: { drain: 3s }\n", None, Some("`runner` is taken when the runner is restarted")),
        (
            "receiver: { path: /other }\n",
            None,
            Some("`receiver` is the receiver's, which takes it when it is restarted"),
        ),
    ] {
        let handlers = "  - { name: a, plugin: ./a.wasm, on: [room_started, room_finished] }\n";
        let plan = diff(&old, &file(&format!("{head}{HEAD}"), handlers));
        assert!(plan.is_empty(), "{head}");
        assert_eq!(plan.notes.first().map(String::as_str), note, "{head}");
        assert_eq!(
            plan.refused.first().map(|words| words.contains(refused.unwrap_or("!"))),
            refused.map(|_| true),
            "{head}"
        );
    }
}
