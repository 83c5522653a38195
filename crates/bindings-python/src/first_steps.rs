//! The first step of each request's task, taken in the turn that made it.
//!
//! asyncio puts a new task's first step into the loop's queue: a handle, a frame or five of Python and a round of the loop, for a
//! request whose handler mostly needs that one step. Python 3.12 made `eager_start` for this. Before it, the step can be had from the
//! task itself, which hands it to `loop.call_soon`: while tasks are being made, and no other code runs, that name stands for
//! `Host.first_step`, which keeps the step to be run here, in the task's own context, as the loop would.

use std::cell::{Cell, RefCell};

use pyo3::{
    exceptions::{PyAttributeError, PyException},
    ffi, intern,
    prelude::*,
    types::PyType,
};

/// Steps that were kept, and whether keeping is on.
pub(crate) struct FirstSteps {
    event_loop: Py<PyAny>,
    /// `Host.first_step`, while this loop allows it.
    keep: RefCell<Option<Py<PyAny>>>,
    is_keeping: Cell<bool>,
    /// The type of a task's step, once one has been seen.
    step_type: RefCell<Option<Py<PyType>>>,
    kept: RefCell<Vec<Step>>,
}

struct Step {
    callback: Py<PyAny>,
    context: Py<PyAny>,
}

impl FirstSteps {
    pub(crate) fn new(event_loop: Py<PyAny>) -> Self {
        Self {
            event_loop,
            keep: RefCell::default(),
            is_keeping: Cell::new(false),
            step_type: RefCell::default(),
            kept: RefCell::default(),
        }
    }

    /// Allows keeping, if the loop lets its `call_soon` be overlaid and nobody else has done so.
    pub(crate) fn attach(&self, py: Python<'_>, keep: Bound<'_, PyAny>) -> PyResult<()> {
        let has_own = match self.event_loop.getattr(py, intern!(py, "__dict__")) {
            Ok(own) => own.bind(py).contains(intern!(py, "call_soon"))?,
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => true,
            Err(error) => return Err(error),
        };
        if !has_own {
            self.keep.replace(Some(keep.unbind()));
        }
        Ok(())
    }

    /// Keeps the first steps of tasks made from here to `end`.
    pub(crate) fn begin(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_keeping.get() {
            return Ok(());
        }
        if let Some(keep) = &*self.keep.borrow() {
            self.event_loop.setattr(py, intern!(py, "call_soon"), keep)?;
            self.is_keeping.set(true);
        }
        Ok(())
    }

    /// Gives the loop its own `call_soon` back. Before any other code runs, this has been called.
    pub(crate) fn end(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_keeping.replace(false) {
            self.event_loop.bind(py).delattr(intern!(py, "call_soon"))?;
        }
        Ok(())
    }

    /// Whether a callback is what asyncio's tasks give to `call_soon`. Anything else comes from a finalizer that runs meanwhile.
    pub(crate) fn is_step(&self, callback: &Bound<'_, PyAny>) -> PyResult<bool> {
        let class = callback.get_type();
        if let Some(known) = &*self.step_type.borrow() {
            return Ok(class.is(known));
        }
        let is_step = class.name()? == "TaskStepMethWrapper";
        if is_step {
            self.step_type.replace(Some(class.unbind()));
        }
        Ok(is_step)
    }

    pub(crate) fn push(&self, callback: Py<PyAny>, context: Py<PyAny>) {
        self.kept.borrow_mut().push(Step { callback, context });
    }

    /// Takes all steps that were kept, in order. What one raises goes to the loop's exception handler, as from the loop itself.
    pub(crate) fn run(&self, py: Python<'_>) -> PyResult<()> {
        let mut steps = self.kept.take();
        let mut rest = steps.drain(..);
        while let Some(step) = rest.next() {
            if let Err(error) = step.run(py) {
                if !error.is_instance_of::<PyException>(py) {
                    // The loop is about to stop. The tasks that have not begun must still be able to end.
                    rest.try_for_each(|step| step.requeue(py, &self.event_loop))?;
                    return Err(error);
                }
                let context = pyo3::types::PyDict::new(py);
                context.set_item("message", "the first step of a request's task failed")?;
                context.set_item("exception", error)?;
                self.event_loop.call_method1(py, intern!(py, "call_exception_handler"), (context,))?;
            }
        }
        drop(rest);
        // Keeps the room for the next turn.
        self.kept.replace(steps);
        Ok(())
    }
}

impl Step {
    /// Puts the step where it would have been without us.
    fn requeue(self, py: Python<'_>, event_loop: &Py<PyAny>) -> PyResult<()> {
        let context = pyo3::types::PyDict::new(py);
        context.set_item("context", self.context)?;
        event_loop.call_method(py, intern!(py, "call_soon"), (self.callback,), Some(&context)).map(drop)
    }

    fn run(&self, py: Python<'_>) -> PyResult<()> {
        // SAFETY: the interpreter is attached, and the argument is checked to be a context.
        if unsafe { ffi::PyContext_Enter(self.context.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        let outcome = self.callback.call0(py);
        // SAFETY: as above; the context was entered just now, and whatever the callback entered it has left.
        if unsafe { ffi::PyContext_Exit(self.context.as_ptr()) } != 0 {
            return Err(PyErr::fetch(py));
        }
        outcome.map(drop)
    }
}
