//! Closures of any number of parameters, up to eight.

use super::{
    key::Wish,
    parameter::{Given, Parameter},
};

/// A closure whose parameters the graph can give. Implemented for closures and functions of up to eight [`Parameter`]s.
#[diagnostic::on_unimplemented(
    message = "this closure cannot be called by the application",
    note = "it takes up to eight parameters, each with its type written out: `Arc<T>`, `Option<Arc<T>>`, `Vec<Arc<T>>`, `Lazy<T>`, \
            `Named<T, N>`, `AppHandle`; in workers also `Stop` and `Supervisor`, in constructors `Lifecycle`; and it is \
            `Send + Sync + 'static`"
)]
pub trait Call<Parameters, Place>: Send + Sync + 'static {
    /// What it returns.
    type Output;

    /// What it takes from the graph, in order.
    #[doc(hidden)]
    fn wishes() -> Vec<Wish>;

    /// Calls it.
    #[doc(hidden)]
    fn call(&self, given: &mut Given) -> Self::Output;
}

macro_rules! call {
    ($($parameter:ident),*) => {
        impl<Function, Output, Place, $($parameter),*> Call<($($parameter,)*), Place> for Function
        where
            Function: Fn($($parameter),*) -> Output + Send + Sync + 'static,
            $($parameter: Parameter<Place>,)*
        {
            type Output = Output;

            fn wishes() -> Vec<Wish> {
                let wishes: Vec<Option<Wish>> = vec![$($parameter::wish()),*];
                wishes.into_iter().flatten().collect()
            }

            #[allow(non_snake_case, unused_variables, reason = "each parameter is named after its type")]
            fn call(&self, given: &mut Given) -> Output {
                $(let $parameter = $parameter::take(given);)*
                self($($parameter),*)
            }
        }
    };
}
call!();
call!(A);
call!(A, B);
call!(A, B, C);
call!(A, B, C, D);
call!(A, B, C, D, E);
call!(A, B, C, D, E, F);
call!(A, B, C, D, E, F, G);
call!(A, B, C, D, E, F, G, H);
