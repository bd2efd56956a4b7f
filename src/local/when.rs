//! Times and durations as a person writes them.

use jiff::{SignedDuration, Timestamp};

/// A time: RFC 3339 (`2026-11-24T12:00:00Z`), a day in UTC (`2026-11-24`: its beginning), or how long before `now`
/// (`90s`, `30m`, `2h`, `7d`).
///
/// # Errors
///
/// One sentence that says what to write.
pub fn time(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp());
        return midnight.map_err(|error| format!("'{text}' is no time: {error}."));
    }
    match duration(text) {
        Ok(ago) => now.checked_sub(ago).map_err(|_| format!("'{text}' is too long ago.")),
        Err(_) => {
            Err(format!("'{text}' is no time. Write 2026-11-24T12:00:00Z, 2026-11-24, or how long ago: 30m, 2h, 7d."))
        }
    }
}

/// A duration: a number with `s`, `m`, `h` or `d`.
///
/// # Errors
///
/// One sentence that says what to write.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("'{text}' is no duration. Write a number and s, m, h or d: 30m, 2h, 7d.");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let number: i64 = text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(seconds).filter(|seconds| (0..=100 * 366 * 86_400).contains(seconds));
    seconds.map(SignedDuration::from_secs).ok_or_else(wrong)
}

/// As items and records write it: RFC 3339 with three digits of a second.
#[must_use]
pub fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_point_a_day_or_an_age() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-24T10:30:00Z", "2026-11-24T10:30:00.000Z"),
            ("2026-11-24T10:30:00.5+02:00", "2026-11-24T08:30:00.500Z"),
            ("2026-11-23", "2026-11-23T00:00:00.000Z"),
            ("90s", "2026-11-24T11:58:30.000Z"),
            ("2h", "2026-11-24T10:00:00.000Z"),
            ("7d", "2026-11-17T12:00:00.000Z"),
        ] {
            assert_eq!(written(time(text, now).unwrap()), expected, "{text}");
        }
        for text in ["", "yesterday", "2h30m", "-1h", "h", "2026-13-01", "99999999999999999999d", "é"] {
            assert!(time(text, now).unwrap_err().contains(text), "{text}");
        }
    }
}
