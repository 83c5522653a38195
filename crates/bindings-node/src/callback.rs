//! Calls from the loop into JavaScript: one for each batch, with what Node does around a callback.

use std::{cell::Cell, ptr};

use napi::sys;

use crate::batch::{Batch, CAPACITY, FIELDS};

/// The public layer's function, and the asynchronous context that it is called in.
pub(crate) struct Callback {
    env: sys::napi_env,
    function: sys::napi_ref,
    receiver: sys::napi_ref,
    context: sys::napi_async_context,
    records: *mut u32,
    records_array: sys::napi_ref,
    is_released: Cell<bool>,
}

impl Callback {
    /// # Safety
    ///
    /// The values are alive: a function, and a `Uint32Array` with room for [`CAPACITY`] records.
    pub(crate) unsafe fn new(env: sys::napi_env, function: sys::napi_value, array: sys::napi_value, records: *mut u32) -> Self {
        let (mut name, mut resource) = (ptr::null_mut(), ptr::null_mut());
        let mut callback = Self {
            env,
            function: ptr::null_mut(),
            receiver: ptr::null_mut(),
            context: ptr::null_mut(),
            records,
            records_array: ptr::null_mut(),
            is_released: Cell::new(false),
        };
        // SAFETY: the caller's promise; each out-pointer is to a local or to a field of `callback`.
        unsafe {
            sys::napi_create_object(env, &mut resource);
            sys::napi_create_string_utf8(env, c"hostloop".as_ptr(), 8, &mut name);
            sys::napi_async_init(env, resource, name, &mut callback.context);
            sys::napi_create_reference(env, resource, 1, &mut callback.receiver);
            sys::napi_create_reference(env, function, 1, &mut callback.function);
            sys::napi_create_reference(env, array, 1, &mut callback.records_array);
        }
        callback
    }

    /// Hands a batch over. Microtasks and `nextTick` have run when it returns.
    pub(crate) fn call(&self, batch: &Batch) {
        if self.is_released.get() {
            return;
        }
        // SAFETY: the environment is alive until it is released, and this is its thread. Every value is made in the scope.
        unsafe {
            let mut scope = ptr::null_mut();
            sys::napi_open_handle_scope(self.env, &mut scope);
            let mut text = ptr::null_mut();
            sys::napi_create_string_latin1(self.env, batch.text.as_ptr().cast(), batch.text.len() as isize, &mut text);
            let records = &batch.records[..batch.records.len().min(CAPACITY)];
            ptr::copy_nonoverlapping(records.as_ptr().cast(), self.records, records.len() * FIELDS);
            self.call_once(records.len(), text, self.buffers(&batch.bytes));
            sys::napi_close_handle_scope(self.env, scope);
        }
    }

    /// Makes an array of the bytes that some records have.
    ///
    /// # Safety
    ///
    /// A handle scope is open.
    unsafe fn buffers(&self, bytes: &[bytes::Bytes]) -> sys::napi_value {
        let mut array = ptr::null_mut();
        // SAFETY: the caller's promise; what is copied from is alive.
        unsafe {
            if bytes.is_empty() {
                sys::napi_get_undefined(self.env, &mut array);
                return array;
            }
            sys::napi_create_array_with_length(self.env, bytes.len(), &mut array);
            for (index, bytes) in (0..).zip(bytes) {
                let mut buffer = ptr::null_mut();
                sys::napi_create_buffer_copy(self.env, bytes.len(), bytes.as_ptr().cast(), ptr::null_mut(), &mut buffer);
                sys::napi_set_element(self.env, array, index, buffer);
            }
        }
        array
    }

    /// # Safety
    ///
    /// A handle scope is open, and the values are of it.
    unsafe fn call_once(&self, count: usize, text: sys::napi_value, buffers: sys::napi_value) {
        let (mut receiver, mut function, mut number, mut result) =
            (ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
        // SAFETY: the references are alive until they are released.
        unsafe {
            sys::napi_get_reference_value(self.env, self.receiver, &mut receiver);
            sys::napi_get_reference_value(self.env, self.function, &mut function);
            sys::napi_create_uint32(self.env, count as u32, &mut number);
            let arguments = [number, text, buffers];
            let status = sys::napi_make_callback(
                self.env,
                self.context,
                receiver,
                function,
                arguments.len(),
                arguments.as_ptr(),
                &mut result,
            );
            if status == sys::Status::napi_pending_exception {
                self.throw_fatal();
            }
        }
    }

    /// Gives what was thrown to `process.on('uncaughtException')`, as Node does with what a callback of its own throws.
    ///
    /// # Safety
    ///
    /// An exception is pending, and a handle scope is open.
    unsafe fn throw_fatal(&self) {
        let mut error = ptr::null_mut();
        // SAFETY: the caller's promise.
        unsafe {
            if sys::napi_get_and_clear_last_exception(self.env, &mut error) == 0 {
                sys::napi_fatal_exception(self.env, error);
            }
        }
    }

    /// Lets go of what JavaScript gave. Nothing is called any more.
    pub(crate) fn release(&self) {
        if self.is_released.replace(true) {
            return;
        }
        // SAFETY: the references and the context are alive, and used no more.
        unsafe {
            for reference in [self.function, self.receiver, self.records_array] {
                sys::napi_delete_reference(self.env, reference);
            }
            sys::napi_async_destroy(self.env, self.context);
        }
    }
}
