//! Turns a limit: to twice or half of what it is, within the range that its surface declares.

use harness_schema::harness::Harness;
use harness_schema::manifest::Duration;
use harness_schema::surface::{Choice, Limits};

use crate::engine::weakness::knob::{Knob, Turn};

/// What a limit is after it was turned; none if it cannot be turned.
pub(super) fn turned(harness: &Harness, knob: &Knob) -> Option<String> {
    let limits = &harness.surface(&knob.surface)?.surface.limits;
    let setting = match knob.turn {
        Turn::SwitchOn => switched_on(&knob.setting)?.to_owned(),
        Turn::Double => scaled(&knob.setting, 2.0, limits)?,
        Turn::Halve => scaled(&knob.setting, 0.5, limits)?,
    };
    let is_choice = |choice: &Choice| choice.to_string() == setting;
    let is_allowed = limits.one_of.is_empty() || limits.one_of.iter().any(is_choice);
    // A call that may take as long as its trial has no limit.
    let is_short = knob.surface != "runtime.tool_timeout"
        || setting.parse::<Duration>().is_ok_and(|own| own < *harness.manifest().agent.timeout);
    (setting != knob.setting && is_allowed && is_short).then_some(setting)
}

fn switched_on(setting: &str) -> Option<&'static str> {
    match setting {
        "none" => Some("elide-output"),
        "false" => Some("true"),
        "False" => Some("True"),
        _ => None,
    }
}

/// A number or a duration times a factor, in the notation that it has.
fn scaled(setting: &str, factor: f64, limits: &Limits) -> Option<String> {
    let bounded = |number: f64| {
        let number = limits.max.map_or(number, |max| number.min(max));
        limits.min.map_or(number, |min| number.max(min))
    };
    if setting.parse::<u64>().is_ok() {
        let number = bounded((setting.parse::<f64>().ok()? * factor).floor());
        return (1.0..1e15).contains(&number).then(|| format!("{number:.0}"));
    }
    if let Ok(number) = setting.parse::<f64>() {
        let number = bounded(number * factor);
        return (number.is_finite() && 0.0 < number).then(|| format!("{number:?}"));
    }
    let duration = setting.parse::<Duration>().ok()?.get().mul_f64(factor);
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => None,
        whole if whole % 1000 == 0 => Some(format!("{}s", whole / 1000)),
        other => Some(format!("{other}ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_notation() {
        let none = Limits::default();
        let cases = [
            ("60", 2.0, Some("120")),
            ("60.0", 0.5, Some("30.0")),
            ("3", 0.5, Some("1")),
            ("1", 0.5, None),
            ("60s", 2.0, Some("120s")),
            ("1m", 0.5, Some("30s")),
            ("1h30m", 2.0, Some("10800s")),
            ("1s", 0.5, Some("500ms")),
            ("much", 2.0, None),
        ];
        for (setting, factor, after) in cases {
            assert_eq!(scaled(setting, factor, &none).as_deref(), after, "{setting}");
        }
        let range = Limits { min: Some(20.0), max: Some(100.0), ..Limits::default() };
        assert_eq!(scaled("60", 2.0, &range).as_deref(), Some("100"));
        assert_eq!(scaled("30", 0.5, &range).as_deref(), Some("20"));
    }
}
