//! `${NAME}` in a value, replaced from the environment when the value is needed and not before.

/// Why a value could not be completed from the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The variable does not exist.
    #[error("the environment variable {name} is not set")]
    Undefined {
        /// The variable.
        name: String,
    },
    /// `${` without an end, or with a name that cannot be one.
    #[error("`${{` must be followed by the name of an environment variable and `}}`")]
    Malformed,
}

/// Replaces each `${NAME}`. A `$` that is not followed by `{` is itself.
pub(crate) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        result.push_str(before);
        let (name, tail) = after.split_once('}').ok_or(TemplateError::Malformed)?;
        if !is_name(name) {
            return Err(TemplateError::Malformed);
        }
        result.push_str(&env(name).ok_or_else(|| TemplateError::Undefined { name: name.to_owned() })?);
        rest = tail;
    }
    result.push_str(rest);
    Ok(result)
}

/// Whether the text is well formed, and whether it needs the environment.
pub(crate) fn uses_variables(text: &str) -> Result<bool, TemplateError> {
    expand(text, &|_| Some(String::new()))?;
    Ok(text.contains("${"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "HOME_PORT").then(|| "4222".to_owned())
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        assert_eq!(expand("nats://a$b:${HOME_PORT}/x", &env), Ok("nats://a$b:4222/x".into()));
    }

    #[test]
    fn an_undefined_variable_is_named() {
        assert_eq!(expand("${NOPE}", &env), Err(TemplateError::Undefined { name: "NOPE".into() }));
    }

    #[test]
    fn a_template_without_a_proper_name_is_malformed() {
        for text in ["${", "${HOME_PORT", "${}", "${1A}", "${A-B}"] {
            assert_eq!(expand(text, &env), Err(TemplateError::Malformed), "{text}");
        }
    }
}
