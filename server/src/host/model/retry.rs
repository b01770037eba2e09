//! How long to wait before a call is tried again. It decides; the client waits.

use std::time::{Duration, SystemTime};

use harness_schema::digest::Digest;
use reqwest::header::HeaderMap;

/// What a provider asks for is kept up to here.
const LONGEST: Duration = Duration::from_secs(300);

/// Waiting that doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first retry, at most.
    pub first: Duration,
    /// Before any, at most.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait before retry `retry`, counted from 0: between a half and all of what has doubled so often. Which part
    /// is drawn from `seed`, so that parallel trials do not come back together, and a run can be repeated.
    #[must_use]
    pub fn delay(&self, retry: u32, seed: u64) -> Duration {
        let whole = self.first.saturating_mul(1 << retry.min(20)).min(self.most);
        let drawn = Digest::of_parts([seed.to_le_bytes().as_slice(), &retry.to_le_bytes()]);
        let [a, b, ..] = *drawn.bytes();
        let share = f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX);
        whole.mul_f64(0.5 + share / 2.0)
    }
}

/// What the headers of an answer ask for: `retry-after-ms` (as OpenAI sends it), else `Retry-After` in seconds or as a
/// date (RFC 9110, 10.2.3); at most [`LONGEST`].
#[must_use]
pub(super) fn asked_for(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok();
    // What is no number is not at least zero either.
    let of_seconds =
        |seconds: f64| (0.0 <= seconds).then(|| Duration::from_secs_f64(seconds.min(LONGEST.as_secs_f64())));
    if let Some(delay) = number("retry-after-ms").and_then(|milliseconds| of_seconds(milliseconds / 1e3)) {
        return Some(delay);
    }
    if let Some(delay) = number("retry-after").and_then(of_seconds) {
        return Some(delay);
    }
    let date = httpdate::parse_http_date(text("retry-after")?).ok()?;
    // A date that has passed asks for no wait.
    Some(date.duration_since(now).unwrap_or_default().min(LONGEST))
}

/// Whether the provider says that trying again is useless (`x-should-retry: false`, as OpenAI and Anthropic send it).
#[must_use]
pub(super) fn is_useless(headers: &HeaderMap) -> bool {
    headers.get("x-should-retry").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"false"))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        all.iter().map(header).collect()
    }

    #[track_caller]
    fn check(all: &[(&'static str, &'static str)], expected: Option<u64>) {
        // 1994-11-06 08:49:37, RFC 9110's own example.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(asked_for(&headers(all), now), expected.map(Duration::from_millis));
    }

    #[test]
    fn the_provider_says_how_long() {
        check(&[], None);
        check(&[("retry-after", "2")], Some(2000));
        check(&[("retry-after", "0.5")], Some(500));
        check(&[("retry-after", "2"), ("retry-after-ms", "30")], Some(30));
        check(&[("retry-after", "86400")], Some(300_000));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30_000));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT")], Some(0));
        check(&[("retry-after", "Mon, 06 Nov 1995 08:49:07 GMT")], Some(300_000));
        check(&[("retry-after", "soon")], None);
        check(&[("retry-after", "-3")], None);
        check(&[("retry-after", "NaN")], None);
    }

    #[test]
    fn a_provider_may_forbid_it() {
        assert!(is_useless(&headers(&[("x-should-retry", "false")])));
        assert!(!is_useless(&headers(&[("x-should-retry", "true")])));
        assert!(!is_useless(&headers(&[])));
    }

    #[test]
    fn waiting_doubles_up_to_a_limit() {
        let backoff = Backoff::default();
        for retry in 0..40 {
            let whole = Duration::from_secs(60.min(1 << retry.min(20)));
            let delay = backoff.delay(retry, 7);
            assert!(whole / 2 <= delay && delay <= whole, "{retry}: {delay:?}");
            assert_eq!(delay, backoff.delay(retry, 7));
        }
        assert_ne!(backoff.delay(3, 7), backoff.delay(3, 8));
    }
}
