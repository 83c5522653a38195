//! What time it is.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Tells the time. Tests supply another.
pub struct Clock(Box<dyn Fn() -> OffsetDateTime + Send + Sync>);

impl Clock {
    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        Self::new(OffsetDateTime::now_utc)
    }

    /// One of the caller's own.
    pub fn new(now: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self(Box::new(now))
    }

    /// Returns the time as links are kept with it.
    #[must_use]
    pub fn now(&self) -> String {
        written((self.0)())
    }
}

/// Reads a moment as in RFC 3339, and writes it in UTC and whole seconds; `None` if it is none. Such moments sort as text.
#[must_use]
pub fn moment(text: &str) -> Option<String> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let offset = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
    };
    if rest.starts_with('.') && rest.len() < offset.len() + 2 {
        return None;
    }
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(month as u8).ok()?, day as u8).ok()?;
    let time = Time::from_hms(hour as u8, minute as u8, second as u8).ok()?;
    let moment = PrimitiveDateTime::new(date, time).assume_offset(offset_of(offset)?);
    moment.checked_to_offset(UtcOffset::UTC).map(written)
}

fn offset_of(text: &str) -> Option<UtcOffset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("Z", "") => return Some(UtcOffset::UTC),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let [hours, minutes] = numbers(rest, ':', [2, 2])?;
    (hours < 24 && minutes < 60).then_some(())?;
    UtcOffset::from_hms(sign * hours as i8, sign * minutes as i8, 0).ok()
}

/// Reads numbers of these many digits, with a sign between them.
fn numbers<const N: usize>(text: &str, between: char, digits: [usize; N]) -> Option<[u16; N]> {
    let mut found = [0; N];
    let mut parts = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn written(moment: OffsetDateTime) -> String {
    let (year, month, day) = moment.to_calendar_date();
    let (hour, minute, second) = moment.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_turned_to_utc_and_whole_seconds() {
        assert_eq!(moment("2999-01-01T01:30:00.75+02:00").as_deref(), Some("2998-12-31T23:30:00Z"));
        assert_eq!(moment("2000-02-29T00:00:00Z").as_deref(), Some("2000-02-29T00:00:00Z"));
        assert_eq!(moment("2031-01-02T03:04:05-23:59").as_deref(), Some("2031-01-03T03:03:05Z"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2999-01-01",
            "2999-01-01T00:00:00",
            "2999-02-30T00:00:00Z",
            "2999-01-01 00:00:00Z",
            "2999-01-01T24:00:00Z",
            "2999-01-01T00:00:60Z",
            "2999-01-01T00:00:00.Z",
            "2999-01-01T00:00:00z",
            "2999-01-01T00:00:00+0200",
            "2999-01-01T00:00:00+24:00",
            "9999-12-31T23:59:59-01:00",
            "+999-01-01T00:00:00Z",
            "２９９９-01-01T00:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
