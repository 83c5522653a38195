//! What things are called in texts: types and functions without their paths.

use std::panic::Location;

/// The name of a type without the paths in it: `Vec<Arc<dyn Store>>`.
pub(crate) fn of_type<T: ?Sized>() -> String {
    without_paths(std::any::type_name::<T>())
}

/// The name of a function, or nothing for a closure.
pub(crate) fn of_function<F>() -> Option<String> {
    let name = without_paths(std::any::type_name::<F>());
    if name.contains("{{closure}}") { None } else { Some(name) }
}

/// Where something was written: `src/main.rs:12`.
pub(crate) fn place(location: &Location<'_>) -> String {
    format!("{}:{}", location.file(), location.line())
}

fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    // Where the path that is being read begins.
    let mut start = 0;
    let mut rest = name;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("::") {
            short.truncate(start);
            rest = after;
            continue;
        }
        short.push(letter);
        if !letter.is_alphanumeric() && !"_{}#".contains(letter) {
            start = short.len();
        }
        rest = &rest[letter.len_utf8()..];
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_left_out_wherever_they_stand() {
        assert_eq!(without_paths("service::links::Links"), "Links");
        assert_eq!(without_paths("dyn service::store::Store + core::marker::Send"), "dyn Store + Send");
        assert_eq!(without_paths("alloc::vec::Vec<alloc::sync::Arc<a::b::C>>"), "Vec<Arc<C>>");
        assert_eq!(without_paths("(a::B, &[c::D; 3])"), "(B, &[D; 3])");
        assert_eq!(without_paths("u64"), "u64");
    }

    #[test]
    fn a_closure_has_no_name_and_a_function_has() {
        fn sweeper() {}
        fn name<F>(_: F) -> Option<String> {
            of_function::<F>()
        }
        assert_eq!(name(sweeper), Some("sweeper".into()));
        assert_eq!(name(|| ()), None);
    }
}
