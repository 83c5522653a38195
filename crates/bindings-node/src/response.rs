//! Responses as JavaScript gives them: a status, a media type by its number, other headers as lines, a body.

use std::{mem::MaybeUninit, ptr};

use bytes::Bytes;
use hostloop::ResponseHead;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE};
use napi::{JsValue, Unknown, sys};

use crate::{
    buffers,
    errors::{Result, invalid},
};

/// Media types by number. The public layer has the same list; 0 is none.
const MEDIA_TYPES: [&str; 4] =
    ["text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8", "application/octet-stream"];

pub(crate) fn head(status: u32, media: u32, lines: Option<Unknown<'_>>) -> Result<ResponseHead> {
    let mut head = ResponseHead { status: self::status(status)?, headers: HeaderMap::new() };
    if let Some(media) = MEDIA_TYPES.get((media as usize).wrapping_sub(1)) {
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    }
    if let Some(lines) = lines {
        append_lines(&mut head.headers, &latin1(&lines)?)?;
    }
    Ok(head)
}

fn status(status: u32) -> Result<StatusCode> {
    u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| !status.is_informational())
        .ok_or_else(|| invalid(format!("status {status} is not a final response; use 200 to 999")))
}

/// Reads header fields that are lines.
pub(crate) fn fields(lines: &Unknown<'_>) -> Result<HeaderMap> {
    let mut fields = HeaderMap::new();
    append_lines(&mut fields, &latin1(lines)?)?;
    Ok(fields)
}

/// Reads names and values in turn, a line each. The public layer has refused line breaks in them.
fn append_lines(headers: &mut HeaderMap, lines: &[u8]) -> Result<()> {
    let mut lines = lines.split(|&byte| byte == b'\n');
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        let shown = || String::from_utf8_lossy(name).into_owned();
        let parsed = HeaderName::from_bytes(name)
            .map_err(|_| invalid(format!("header name {:?} is not a token; use letters, digits and -", shown())))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| {
            invalid(format!(
                "header {} has a value that would break the response; remove line breaks and control characters",
                shown()
            ))
        })?;
        headers.append(parsed, value);
    }
    Ok(())
}

/// Returns whether a value is neither `undefined` nor `null`.
///
/// # Safety
///
/// The value is alive.
pub(crate) unsafe fn present(env: sys::napi_env, raw: sys::napi_value) -> bool {
    // SAFETY: the caller's promise.
    !matches!(unsafe { kind(env, raw) }, sys::ValueType::napi_undefined | sys::ValueType::napi_null)
}

/// The bytes of a string or of a view of an `ArrayBuffer`; nothing for `undefined` and `null`.
pub(crate) fn body(value: &Unknown<'_>) -> Result<Bytes> {
    let (env, raw) = (value.value().env, value.raw());
    // SAFETY: the value is alive in this call.
    unsafe {
        match kind(env, raw) {
            sys::ValueType::napi_string => utf8(env, raw),
            sys::ValueType::napi_undefined | sys::ValueType::napi_null => Ok(Bytes::new()),
            _ => view(env, raw),
        }
    }
}

/// # Safety
///
/// The value is alive.
unsafe fn kind(env: sys::napi_env, raw: sys::napi_value) -> sys::napi_valuetype {
    let mut kind = 0;
    // SAFETY: the caller's promise.
    unsafe { sys::napi_typeof(env, raw, &mut kind) };
    kind
}

/// Strings up to here are written once, without their length being asked for.
const SHORT: usize = 2048;

/// # Safety
///
/// The value is a string that is alive.
unsafe fn utf8(env: sys::napi_env, raw: sys::napi_value) -> Result<Bytes> {
    let mut short = [MaybeUninit::<u8>::uninit(); SHORT];
    let mut length = 0;
    // SAFETY: each buffer has room for what it is said to have, and what was written is read.
    unsafe {
        sys::napi_get_value_string_utf8(env, raw, short.as_mut_ptr().cast(), SHORT, &mut length);
        // A character that does not fit is left out whole.
        if length < SHORT - 4 {
            return Ok(Bytes::copy_from_slice(std::slice::from_raw_parts(short.as_ptr().cast(), length)));
        }
        // Most long strings are ASCII, whose length is known. Asking for that of others takes as long as writing them.
        let mut units = 0;
        sys::napi_get_value_string_utf16(env, raw, ptr::null_mut(), 0, &mut units);
        let bytes = written(env, raw, units + LONGEST)?;
        if bytes.len() <= units {
            return Ok(buffers::lend(bytes));
        }
        sys::napi_get_value_string_utf8(env, raw, ptr::null_mut(), 0, &mut length);
        written(env, raw, length).map(buffers::lend)
    }
}

/// Bytes of a character, at most.
const LONGEST: usize = 4;

/// Writes as much of a string as there is room for. A character that does not fit is left out whole.
///
/// # Safety
///
/// The value is a string that is alive.
unsafe fn written(env: sys::napi_env, raw: sys::napi_value, room: usize) -> Result<Vec<u8>> {
    let mut bytes = buffers::take(room + 1);
    let mut length = 0;
    // SAFETY: the buffer has room for that and a terminator, and as much as was written is read.
    unsafe {
        if sys::napi_get_value_string_utf8(env, raw, bytes.as_mut_ptr().cast(), room + 1, &mut length) != 0 {
            return Err(invalid("the string cannot be read"));
        }
        bytes.set_len(length);
    }
    Ok(bytes)
}

fn latin1(value: &Unknown<'_>) -> Result<Vec<u8>> {
    let (env, raw) = (value.value().env, value.raw());
    let mut length = 0;
    // SAFETY: as in `utf8`; a value that is not a string is refused by the first call.
    unsafe {
        if sys::napi_get_value_string_latin1(env, raw, ptr::null_mut(), 0, &mut length) != 0 {
            return Err(invalid("the headers are not a string"));
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(length + 1);
        sys::napi_get_value_string_latin1(env, raw, bytes.as_mut_ptr().cast(), length + 1, &mut length);
        bytes.set_len(length);
        Ok(bytes)
    }
}

/// Copies a typed array's bytes.
///
/// # Safety
///
/// The value is alive.
unsafe fn view(env: sys::napi_env, raw: sys::napi_value) -> Result<Bytes> {
    let (mut length, mut data) = (0, ptr::null_mut());
    // SAFETY: Node-API tells where the memory is, which stays where it is while JavaScript does not run.
    unsafe {
        if sys::napi_get_buffer_info(env, raw, &mut data, &mut length) != 0 {
            return Err(invalid("the body is neither a string nor a Uint8Array"));
        }
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = buffers::take(length);
        bytes.extend_from_slice(std::slice::from_raw_parts(data.cast(), length));
        Ok(buffers::lend(bytes))
    }
}
