//! One request head, line by line.

use http::StatusCode;

use super::Refusal;
use crate::http::options::Limits;

/// What a head says of the body behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Sized(u64),
    Chunked,
}

/// What is known of a head so far. Fed with the same bytes and more, it goes on where it stood.
#[derive(Default)]
pub(crate) struct HeadCheck {
    /// Bytes of whole lines that were checked.
    checked: usize,
    /// Bytes in which no further line end was found.
    searched: usize,
    has_leading_line: bool,
    is_http_11: Option<bool>,
    fields: usize,
    host: Option<Vec<u8>>,
    authority: Option<Vec<u8>>,
    length: Option<u64>,
    is_chunked: bool,
}

impl HeadCheck {
    /// Checks on through `bytes`, which start where the head starts. Returns the head's length and what follows it, or `None` while
    /// its end has not come.
    pub(crate) fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<(usize, Body)>, Refusal> {
        while let Some(end) = memchr::memchr(b'\n', &bytes[self.searched..]).map(|end| self.searched + end) {
            let line = &bytes[self.checked..end];
            self.checked = end + 1;
            self.searched = end + 1;
            let Some(line) = line.strip_suffix(b"\r") else {
                return Err(Refusal::bad("a line ends with a bare LF; lines end with CR LF"));
            };
            if self.check_line(line, limits)? {
                self.check_size(self.checked, limits)?;
                return self.body().map(|body| Some((self.checked, body)));
            }
        }
        check_partial(&bytes[self.searched..])?;
        // A CR at the end is looked at again with what follows it.
        self.searched = bytes.len() - usize::from(bytes.ends_with(b"\r"));
        self.check_partial_size(bytes, limits)?;
        Ok(None)
    }

    /// Checks one line and returns whether it ends the head.
    fn check_line(&mut self, line: &[u8], limits: &Limits) -> Result<bool, Refusal> {
        match (self.is_http_11, line.is_empty()) {
            (None, true) if self.has_leading_line => Err(Refusal::bad("more than one empty line before the request line")),
            (None, true) => {
                self.has_leading_line = true;
                Ok(false)
            }
            (None, false) => self.check_request_line(line, limits).map(|()| false),
            (Some(_), true) => Ok(true),
            (Some(_), false) => {
                self.fields += 1;
                if self.fields > limits.header_count {
                    return Err(TOO_MANY_FIELDS);
                }
                self.check_field(line, limits).map(|()| false)
            }
        }
    }

    fn check_request_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::bad("the request line is not `method target version`, with one space between"));
        };
        if method.is_empty() || !method.iter().all(|&byte| is_token(byte)) {
            return Err(Refusal::bad("the method is not a token"));
        }
        if target.len() > limits.target_bytes {
            return Err(TARGET_TOO_LONG);
        }
        self.is_http_11 = match version {
            b"HTTP/1.1" => Some(true),
            b"HTTP/1.0" => Some(false),
            _ => return Err(Refusal::bad("the version is neither HTTP/1.1 nor HTTP/1.0")),
        };
        self.authority = check_target(method, target)?;
        Ok(())
    }

    fn check_field(&mut self, line: &[u8], limits: &Limits) -> Result<(), Refusal> {
        let colon = line.iter().position(|&byte| !is_token(byte)).unwrap_or(line.len());
        let (name, rest) = line.split_at(colon);
        let Some(value) = rest.strip_prefix(b":") else {
            return Err(match rest.first() {
                Some(b' ' | b'\t') if name.is_empty() => {
                    Refusal::bad("a header line starts with white space; folded lines are not accepted")
                }
                Some(b' ' | b'\t') => Refusal::bad("white space between a header's name and its colon"),
                Some(_) => Refusal::bad("a header's name is not a token"),
                None => Refusal::bad("a header line has no colon"),
            });
        };
        if name.is_empty() {
            return Err(Refusal::bad("a header has no name"));
        }
        if has_control(value) {
            return Err(Refusal::bad("a header's value has a control character"));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.check_host(value.trim_ascii()),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.check_length(value.trim_ascii(), limits),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.check_encoding(value.trim_ascii()),
            _ => Ok(()),
        }
    }

    fn check_host(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::bad("more than one Host"));
        }
        if !is_authority(value) {
            return Err(Refusal::bad("Host is not `host` or `host:port`"));
        }
        // Compared only where the target names an authority too.
        self.host = Some(if self.authority.is_some() { value.to_vec() } else { Vec::new() });
        Ok(())
    }

    fn check_length(&mut self, value: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("more than one Content-Length"));
        }
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length: Option<u64> = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|value| value.parse().ok());
        let length = length.ok_or(Refusal::bad("Content-Length is not a number of bytes"))?;
        if length > limits.body_bytes {
            return Err(BODY_TOO_LONG);
        }
        self.length = Some(length);
        Ok(())
    }

    fn check_encoding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::bad("Transfer-Encoding is not exactly `chunked`"));
        }
        self.is_chunked = true;
        Ok(())
    }

    fn body(&self) -> Result<Body, Refusal> {
        let is_http_11 = self.is_http_11 == Some(true);
        if is_http_11 && self.host.is_none() {
            return Err(Refusal::bad("Host is missing"));
        }
        if let (Some(authority), Some(host)) = (&self.authority, &self.host)
            && !authority.eq_ignore_ascii_case(host)
        {
            return Err(Refusal::bad("the target's authority is not Host's"));
        }
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            (true, None) if !is_http_11 => Err(Refusal::bad("Transfer-Encoding in HTTP/1.0")),
            (true, None) => Ok(Body::Chunked),
            (false, Some(0) | None) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Sized(length)),
        }
    }

    fn check_size(&self, length: usize, limits: &Limits) -> Result<(), Refusal> {
        if length > limits.head_bytes { Err(HEAD_TOO_LONG) } else { Ok(()) }
    }

    /// An unfinished head that is over a limit already is refused before more of it is kept.
    fn check_partial_size(&self, bytes: &[u8], limits: &Limits) -> Result<(), Refusal> {
        if self.is_http_11.is_none() && bytes.len() - self.checked > limits.target_bytes.saturating_add(64) {
            return Err(TARGET_TOO_LONG);
        }
        self.check_size(bytes.len(), limits)
    }
}

const HEAD_TOO_LONG: Refusal = Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail: "the head is too long" };
const TOO_MANY_FIELDS: Refusal = Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail: "too many header fields" };
pub(super) const BODY_TOO_LONG: Refusal = Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, detail: "the body is too long" };
const TARGET_TOO_LONG: Refusal = Refusal { status: StatusCode::URI_TOO_LONG, detail: "the target is too long" };

/// Refuses what no continuation can mend, before the line has ended.
fn check_partial(new: &[u8]) -> Result<(), Refusal> {
    let body = new.strip_suffix(b"\r").unwrap_or(new);
    if has_control(body) { Err(Refusal::bad("a control character in the head")) } else { Ok(()) }
}

/// Checks a target's form and returns the authority of an absolute one.
fn check_target(method: &[u8], target: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    if !target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::bad("the target has a character that must be percent-encoded"));
    }
    match target.first() {
        Some(b'/') => Ok(None),
        Some(b'*') if target.len() == 1 && method == b"OPTIONS" => Ok(None),
        _ if method == b"CONNECT" => Err(Refusal::bad("CONNECT is not served here")),
        _ => {
            let lower = target.get(..8).map(<[u8]>::to_ascii_lowercase);
            let rest = match lower.as_deref() {
                Some(b"https://") => &target[8..],
                Some(start) if start.starts_with(b"http://") => &target[7..],
                _ => return Err(Refusal::bad("the target is neither a path nor an absolute http URI")),
            };
            let authority = rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or(rest);
            if authority.is_empty() || !is_authority(authority) {
                return Err(Refusal::bad("the target's authority is not `host` or `host:port`"));
            }
            Ok(Some(authority.to_vec()))
        }
    }
}

/// `host` or `host:port` of RFC 3986, without user information. Empty where a target has no authority.
fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(rest) => {
            let Some(close) = rest.iter().position(|&byte| byte == b']') else { return false };
            if !rest[..close].iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.')) || close == 0 {
                return false;
            }
            match &rest[close + 1..] {
                [] => return true,
                [b':', port @ ..] => (&[] as &[u8], port),
                _ => return false,
            }
        }
        None => match value.iter().position(|&byte| byte == b':') {
            Some(colon) => (&value[..colon], &value[colon + 1..]),
            None => (value, &[] as &[u8]),
        },
    };
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    host.iter().all(is_host) && port.iter().all(u8::is_ascii_digit) && port.len() <= 5
}

pub(super) fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 128 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut mark = 0;
        while mark < marks.len() {
            table[marks[mark] as usize] = true;
            mark += 1;
        }
        table
    };
    TOKEN[byte as usize]
}

/// Anything below a space but a tab, or DEL. Looks at all bytes, so that the compiler can look at many at once.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().fold(false, |found, &byte| found | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f))
}
