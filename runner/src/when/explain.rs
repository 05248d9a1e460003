//! Why a `when` says what it says: its parts, with what each of them is for one event.

use cel::common::ast::{CallExpr, Expr, operators};
use cel::{Context, IdedExpr, Value};

use super::{VARIABLE, When};

/// A part of an expression, and what it comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// How far it stands inside others.
    pub depth: usize,
    /// The part, in the words of the expression.
    pub text: String,
    /// `true`, `false`, a value as JSON, or why there is none.
    pub value: String,
    /// The whole is what it is because of this part.
    pub decides: bool,
}

impl When {
    /// The parts of the expression for a body, the whole first.
    #[must_use]
    pub fn explain(&self, body: &serde_json::Value) -> Vec<Clause> {
        let mut context = Context::default();
        if context.add_variable(VARIABLE, body).is_err() {
            return Vec::new();
        }
        let mut clauses = Vec::new();
        part(self.program.expression(), 0, true, &context, &mut clauses);
        clauses
    }
}

fn part(expr: &IdedExpr, depth: usize, decides: bool, context: &Context, clauses: &mut Vec<Clause>) {
    clauses.push(Clause { depth, text: source(expr), value: value_of(expr, context), decides });
    let is_true = |expr: &IdedExpr| matches!(Value::resolve(expr, context), Ok(Value::Bool(true)));
    match &expr.expr {
        Expr::Call(CallExpr { func_name, args, .. }) if is_logical(func_name) => {
            let whole = is_true(expr);
            // Of parts that agree with the whole one is enough in these two cases.
            let (any, is_not) = (
                func_name == operators::LOGICAL_AND && !whole || func_name == operators::LOGICAL_OR && whole,
                func_name == operators::LOGICAL_NOT,
            );
            let mut found = false;
            for arg in args {
                let agrees = is_not || is_true(arg) == whole;
                let counts = decides && agrees && !(any && found);
                found |= agrees;
                part(arg, depth + 1, counts, context, clauses);
            }
        }
        _ => {
            let mut paths = Vec::new();
            paths_in(expr, &mut paths);
            paths.retain(|path| path.id != expr.id);
            for path in paths {
                let text = source(path);
                if clauses.iter().rev().take_while(|it| it.depth > depth).all(|it| it.text != text) {
                    clauses.push(Clause { depth: depth + 1, text, value: value_of(path, context), decides: false });
                }
            }
        }
    }
}

fn is_logical(name: &str) -> bool {
    matches!(name, operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT)
}

/// The fields of the event that an expression looks at.
fn paths_in<'e>(expr: &'e IdedExpr, paths: &mut Vec<&'e IdedExpr>) {
    if is_path(expr) {
        paths.push(expr);
        return;
    }
    match &expr.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|it| paths_in(it, paths)),
        Expr::Select(select) => paths_in(&select.operand, paths),
        Expr::List(list) => list.elements.iter().for_each(|it| paths_in(it, paths)),
        Expr::Comprehension(comprehension) => paths_in(&comprehension.iter_range, paths),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_) => {}
    }
}

fn is_path(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Ident(name) => name == VARIABLE,
        Expr::Select(select) => !select.test && is_path(&select.operand),
        _ => false,
    }
}

fn value_of(expr: &IdedExpr, context: &Context) -> String {
    match Value::resolve(expr, context) {
        Ok(value) => text_of(&value),
        Err(error) => error.to_string(),
    }
}

fn text_of(value: &Value) -> String {
    value.json().map_or_else(|_| format!("{value:?}"), |json| json.to_string())
}

/// The expression as it may have been written. Of macros only what they go through is shown.
fn source(expr: &IdedExpr) -> String {
    let list = |items: &[IdedExpr]| items.iter().map(source).collect::<Vec<_>>().join(", ");
    match &expr.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Literal(_) => value_of(expr, &Context::default()),
        Expr::Select(select) if select.test => format!("has({}.{})", source(&select.operand), select.field),
        Expr::Select(select) => format!("{}.{}", source(&select.operand), select.field),
        Expr::List(elements) => format!("[{}]", list(&elements.elements)),
        Expr::Call(call) => call_source(call),
        Expr::Comprehension(comprehension) => format!("{}.…(…)", source(&comprehension.iter_range)),
        Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => "{…}".to_owned(),
    }
}

fn call_source(call: &CallExpr) -> String {
    let CallExpr { func_name, target, args } = call;
    if let Some(target) = target {
        let args: Vec<String> = args.iter().map(source).collect();
        return format!("{}.{func_name}({})", source(target), args.join(", "));
    }
    match (func_name.as_str(), args.as_slice()) {
        (operators::LOGICAL_NOT, [one]) => format!("!{}", nested(one)),
        (operators::NEGATE, [one]) => format!("-{}", nested(one)),
        (operators::IN, [left, right]) => format!("{} in {}", nested(left), nested(right)),
        (operators::INDEX, [left, right]) => format!("{}[{}]", source(left), source(right)),
        (operators::CONDITIONAL, [which, yes, no]) => {
            format!("{} ? {} : {}", nested(which), nested(yes), nested(no))
        }
        (name, [left, right]) if name.starts_with('_') => {
            format!("{} {} {}", nested(left), name.trim_matches('_'), nested(right))
        }
        (name, args) => format!("{name}({})", args.iter().map(source).collect::<Vec<_>>().join(", ")),
    }
}

/// In brackets where an operator stands inside another one.
fn nested(expr: &IdedExpr) -> String {
    let is_operator = matches!(&expr.expr, Expr::Call(call)
        if call.target.is_none() && (call.func_name.starts_with('_') || call.func_name == operators::IN)
            && call.func_name != operators::INDEX);
    if is_operator { format!("({})", source(expr)) } else { source(expr) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explained(text: &str) -> Vec<(usize, String, String, bool)> {
        let body = json!({"event": "participant_joined", "room": {"name": "paid-1", "numParticipants": 3}});
        let clauses = When::parse(text).unwrap().explain(&body);
        clauses.into_iter().map(|it| (it.depth, it.text, it.value, it.decides)).collect()
    }

    fn deciding(text: &str) -> Vec<String> {
        explained(text).into_iter().filter(|(depth, _, _, decides)| *depth > 0 && *decides).map(|it| it.1).collect()
    }

    #[test]
    fn each_part_is_shown_with_its_value_and_the_fields_that_it_looks_at() {
        let of = |depth, text: &str, value: &str, decides| (depth, text.to_owned(), value.to_owned(), decides);
        assert_eq!(
            explained("event.room.name.startsWith('paid-') && event.room.numParticipants > 5"),
            [
                of(0, "event.room.name.startsWith(\"paid-\") && (event.room.numParticipants > 5)", "false", true),
                of(1, "event.room.name.startsWith(\"paid-\")", "true", false),
                of(2, "event.room.name", "\"paid-1\"", false),
                of(1, "event.room.numParticipants > 5", "false", true),
                of(2, "event.room.numParticipants", "3", false),
            ]
        );
    }

    #[test]
    fn what_decides_is_the_first_that_is_enough_or_all_that_are_needed() {
        for (text, expected) in [
            (
                "event.event == 'a' || event.event == 'participant_joined'",
                vec!["event.event == \"participant_joined\""],
            ),
            ("event.event == 'a' || event.event == 'b'", vec!["event.event == \"a\"", "event.event == \"b\""]),
            ("event.event == 'a' && event.event == 'b'", vec!["event.event == \"a\""]),
            ("!(event.event == 'a')", vec!["event.event == \"a\""]),
            ("event.room.numParticipants in [1, 2]", vec![]),
        ] {
            assert_eq!(deciding(text), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_field_is_said_to_be_missing() {
        let clauses = explained("event.track.sid == 'x'");
        assert!(clauses[0].2.contains("track") && clauses[1].1 == "event.track.sid", "{clauses:?}");
    }
}
