//! The handler: event in, request out, once the event is committed.

use roomwire::effects::Request;
use roomwire::{Event, Failure, Handled, Outcome, config};

use crate::settings::Settings;

fn handle(event: &Event) -> Handled {
    let settings = settings().map_err(Failure::permanent)?;
    let mut request = Request::post(settings.url, event.json.as_bytes());
    if !settings.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/webhook+json");
    }
    for (name, value) in settings.headers {
        request = request.header(name, value);
    }
    request.send()?;
    Ok(Outcome::Done)
}

fn check() -> Result<(), String> {
    settings().map(drop)
}

fn settings() -> Result<Settings, String> {
    Settings::read(config::all().map_err(|error| error.to_string())?).map_err(|error| error.to_string())
}

roomwire::export!(handle, check);
