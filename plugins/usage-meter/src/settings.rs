//! What the YAML says.

/// Who counts unless the YAML says so: everybody but agents and egress, which are the operator's own.
const KINDS: &str = "STANDARD,SIP,INGRESS";

/// How to count, and where to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The NATS subject of the bills.
    pub subject: String,
    /// The bucket of the keys.
    pub bucket: String,
    /// The plan of rooms that name none.
    pub plan: String,
    /// The kinds of participants that count.
    pub kinds: Vec<String>,
}

/// The config cannot be used: there is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsError;

impl std::fmt::Display for SettingsError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("set `config.subject`, e.g. `usage.minutes`, and allow it under `allow.publish`")
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads the handler's `config` by what `get` gives for a key.
    ///
    /// # Errors
    /// If there is no subject.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let or = |key: &str, default: &str| get(key).unwrap_or_else(|| default.to_owned());
        let kinds = or("kinds", KINDS);
        Ok(Self {
            subject: get("subject").ok_or(SettingsError)?,
            bucket: or("bucket", "usage"),
            plan: or("plan", "default"),
            kinds: kinds.split(',').map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty()).collect(),
        })
    }

    /// The plan of a room: what its metadata says in `plan`, if that is JSON.
    #[must_use]
    pub fn plan_of(&self, metadata: &str) -> String {
        let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
        metadata.get("plan").and_then(serde_json::Value::as_str).unwrap_or(&self.plan).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_subject_has_a_default() {
        assert_eq!(Settings::read(|_| None), Err(SettingsError));
        let settings = Settings::read(|key| (key == "subject").then(|| "usage.minutes".to_owned())).unwrap();
        assert_eq!((settings.bucket.as_str(), settings.plan.as_str()), ("usage", "default"));
        assert_eq!(settings.kinds, ["STANDARD", "SIP", "INGRESS"]);
        let kinds = Settings::read(|key| Some(if key == "kinds" { "AGENT, SIP,".to_owned() } else { "x".to_owned() }));
        assert_eq!(kinds.unwrap().kinds, ["AGENT", "SIP"]);
    }

    #[test]
    fn a_room_names_its_plan_in_its_metadata() {
        let settings = Settings::read(|key| Some(key.to_owned())).unwrap();
        for (metadata, plan) in
            [(r#"{"plan":"pro"}"#, "pro"), (r#"{"plan":7}"#, "plan"), ("no JSON", "plan"), ("", "plan")]
        {
            assert_eq!(settings.plan_of(metadata), plan, "{metadata}");
        }
    }
}
