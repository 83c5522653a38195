//! The framing of one chunked body, byte by byte except through the data.

use http::StatusCode;

use super::{
    Refusal,
    head::{BODY_TOO_LONG, has_control, is_token},
};
use crate::http::options::Limits;

/// Bytes of trailers. Less than what hyper takes, so that the refusal is ours.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// More digits than any size needs.
const MAX_SIZE_DIGITS: u8 = 16;

pub(crate) struct Chunked {
    state: State,
    /// Bytes of data that may still come.
    allowance: u64,
    /// Bytes of trailers that may still come.
    trailer_allowance: usize,
}

/// Where in the framing the next byte is.
enum State {
    Size { size: u64, digits: u8 },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailers { line: Vec<u8> },
    Complete,
}

impl Chunked {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            allowance: limits.body_bytes,
            trailer_allowance: limits.head_bytes.min(MAX_TRAILER_BYTES),
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Follows the framing and returns how many bytes belong to this body.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        let mut at = 0;
        while at < bytes.len() && !self.is_complete() {
            if let State::Data { left } = &mut self.state {
                let step = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= step as u64;
                at += step;
                if *left == 0 {
                    self.state = State::DataCr;
                }
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        self.state = match (&mut self.state, byte) {
            (State::Size { digits: 0, .. }, b'\r') => return Err(Refusal::bad("a chunk has no size")),
            (State::Size { size, .. }, b'\r') => State::SizeLf { size: *size },
            (State::Size { .. }, b';') => return Err(Refusal::bad("chunk extensions are not accepted")),
            (State::Size { size, digits }, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(Refusal::bad("a chunk's size is not hexadecimal"))?;
                if *digits == MAX_SIZE_DIGITS {
                    return Err(Refusal::bad("a chunk's size has too many digits"));
                }
                State::Size { size: *size << 4 | u64::from(digit), digits: *digits + 1 }
            }
            (State::SizeLf { size: 0 }, b'\n') => State::Trailers { line: Vec::new() },
            (State::SizeLf { size }, b'\n') => {
                let size = *size;
                self.allowance = self.allowance.checked_sub(size).ok_or(BODY_TOO_LONG)?;
                State::Data { left: size }
            }
            (State::SizeLf { .. }, _) => return Err(Refusal::bad("a chunk's size does not end with CR LF")),
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::DataCr | State::DataLf, _) => return Err(Refusal::bad("a chunk is longer than its size")),
            (State::Trailers { line }, _) => {
                self.trailer_allowance = self.trailer_allowance.checked_sub(1).ok_or(TRAILERS_TOO_LONG)?;
                line.push(byte);
                return self.end_trailer_line();
            }
            (State::Data { .. } | State::Complete, _) => unreachable!("data is followed as a whole, and nothing follows the end"),
        };
        Ok(())
    }

    fn end_trailer_line(&mut self) -> Result<(), Refusal> {
        let State::Trailers { line } = &mut self.state else { return Ok(()) };
        match line.as_slice() {
            [b'\r', b'\n'] => self.state = State::Complete,
            [field @ .., b'\r', b'\n'] => {
                check_trailer(field)?;
                line.clear();
            }
            [.., b'\n'] => return Err(Refusal::bad("a trailer ends with a bare LF; lines end with CR LF")),
            [.., b'\r', _] => return Err(Refusal::bad("a bare CR in a trailer")),
            _ => {}
        }
        Ok(())
    }
}

fn check_trailer(field: &[u8]) -> Result<(), Refusal> {
    let name = field.iter().position(|&byte| !is_token(byte)).unwrap_or(field.len());
    if name == 0 || field.get(name) != Some(&b':') || has_control(&field[name + 1..]) {
        return Err(Refusal::bad("a trailer is not `name: value`"));
    }
    Ok(())
}

const TRAILERS_TOO_LONG: Refusal =
    Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail: "the trailers are too long" };
