//! The verb that every request calls, as a function of Node-API's own: nothing is looked up to find the engine.

use std::{ffi::CString, ptr, rc::Rc};

use napi::{Unknown, sys};

use crate::{
    errors::{Code, Result, invalid},
    host::Inner,
    response,
};

const ARGUMENTS: usize = 6;

/// Makes the function `respond(low, high, status, media, headers, body)` of an engine.
///
/// # Errors
///
/// If Node-API refuses, as when the environment ends.
pub(crate) fn respond_function(env: sys::napi_env, inner: &Rc<Inner>) -> Result<sys::napi_value> {
    let data = Rc::into_raw(Rc::clone(inner)).cast_mut();
    let mut function = ptr::null_mut();
    // SAFETY: the count in `data` belongs to the function, and is taken back when that is collected.
    unsafe {
        let made = sys::napi_create_function(env, c"respond".as_ptr(), 7, Some(respond), data.cast(), &mut function);
        if made != 0 || sys::napi_add_finalizer(env, function, data.cast(), Some(release), ptr::null_mut(), ptr::null_mut()) != 0 {
            drop(Rc::from_raw(data));
            return Err(invalid("Node made no function"));
        }
    }
    Ok(function)
}

unsafe extern "C" fn release(_: sys::napi_env, data: *mut std::ffi::c_void, _: *mut std::ffi::c_void) {
    // SAFETY: the count of `respond_function`.
    unsafe { drop(Rc::from_raw(data.cast_const().cast::<Inner>())) }
}

unsafe extern "C" fn respond(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    let mut count = ARGUMENTS;
    let mut arguments = [ptr::null_mut(); ARGUMENTS];
    let mut data = ptr::null_mut();
    // SAFETY: Node-API fills in what was not given with `undefined`. The function's count keeps the engine alive.
    let done = unsafe {
        sys::napi_get_cb_info(env, info, &mut count, arguments.as_mut_ptr(), ptr::null_mut(), &mut data);
        answer(&*data.cast_const().cast::<Inner>(), env, &arguments)
    };
    if let Err(error) = done {
        throw(env, &error);
    }
    ptr::null_mut()
}

/// # Safety
///
/// The arguments are values of the call that is under way.
unsafe fn answer(inner: &Inner, env: sys::napi_env, arguments: &[sys::napi_value; ARGUMENTS]) -> Result<()> {
    let mut numbers = [0; 4];
    // SAFETY: the caller's promise; what is not a number stays 0, and names no request.
    let (lines, body) = unsafe {
        for (number, argument) in numbers.iter_mut().zip(arguments) {
            sys::napi_get_value_uint32(env, *argument, number);
        }
        let value = |index: usize| Unknown::from_raw_unchecked(env, arguments[index]);
        (response::present(env, arguments[4]).then(|| value(4)), value(5))
    };
    let [low, high, status, media] = numbers;
    let head = response::head(status, media, lines)?;
    inner.respond(low, high, head, response::body(&body)?)
}

fn throw(env: sys::napi_env, error: &napi::Error<Code>) {
    let text = |text: &str| CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    let (code, message) = (text(error.status.as_ref()), text(&error.reason));
    // SAFETY: both texts live through the call.
    unsafe {
        sys::napi_throw_error(env, code.as_ptr(), message.as_ptr());
    }
}
