//! Moments as transcripts write them (RFC 3339), as seconds. Only differences of them are used.

/// Seconds since 1970 of `2026-01-02T03:04:05.678Z`; none if it is something else. Without an offset it is taken as UTC.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let (year, month, day) = three(date, '-')?;
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    let (time, offset) = offset(time)?;
    let (clock, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let (hour, minute, second) = three(clock, ':')?;
    let is_time = hour < 24 && minute < 60 && second < 61;
    let fraction = if fraction.is_empty() { 0.0 } else { format!("0.{fraction}").parse().ok()? };
    let whole = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    (is_date && is_time).then_some(
        f64::from(i32::try_from(whole / 86_400).ok()?) * 86_400.0
            + f64::from(i32::try_from(whole % 86_400).ok()?)
            + fraction,
    )
}

fn number(text: &str) -> Option<i64> {
    (text.len() <= 4 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn three(text: &str, between: char) -> Option<(i64, i64, i64)> {
    let mut parts = text.splitn(3, between).map(number);
    Some((parts.next()??, parts.next()??, parts.next()??))
}

/// The time without its offset, and the offset in seconds.
fn offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (time, offset) = (time.get(..at)?, time.get(at..)?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits: String = offset.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = (digits.get(..2)?, digits.get(2..)?);
    let minutes = if minutes.is_empty() { 0 } else { number(minutes)? };
    Some((time, sign * (number(hours)? * 3_600 + minutes * 60)))
}

/// Days since 1970 in the Gregorian calendar; a year begins in March, so that the day that comes and goes is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn moments_are_seconds() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-03-01T00:00:00Z", 951_868_800.0),
            ("2026-01-02T03:04:05.25Z", 1_767_323_045.25),
            ("2026-01-02T05:04:05+02:00", 1_767_323_045.0),
            ("2026-01-02 03:04:05", 1_767_323_045.0),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in
            ["", "yesterday", "2026-13-02T03:04:05Z", "2026-01-02T25:04:05Z", "2026-01-02", "1767323045"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
