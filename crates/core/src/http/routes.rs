//! Which handler a request is for.

use bytes::Bytes;
use http::{HeaderValue, Method};
use matchit::{InsertError, Router};

use super::options::RouteOptions;
use crate::error::{Error, Result};

/// What never stands in a target by itself.
const UNSAFE: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ');

/// Methods and paths of a server, to be checked as they are written, before there is a server for them.
#[derive(Default)]
pub struct Routes {
    router: Router<usize>,
    paths: Vec<Path>,
    /// What requests lead to that no path is for.
    fallback: Option<Route>,
}

struct Path {
    pattern: String,
    methods: Vec<Route>,
    allow: HeaderValue,
}

/// What a route leads to.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    method: Method,
    pub(crate) token: u64,
    pub(crate) options: RouteOptions,
}

/// What a request's method and path lead to.
pub(crate) enum Lookup<'r> {
    Found(&'r Route, Vec<(u32, u32)>),
    NotFound,
    /// The path exists; these methods do.
    MethodNotAllowed(&'r HeaderValue),
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.paths.iter().map(|path| &path.pattern)).finish()
    }
}

impl Routes {
    /// Adds a route. `/links/{code}` matches one segment, `/files/{rest:path}` takes the remainder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the route exists;
    /// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the path cannot be read, or told from another.
    pub fn insert(&mut self, method: Method, pattern: &str, token: u64, options: RouteOptions) -> Result<()> {
        let wire = wire_pattern(pattern)?;
        let index = match self.paths.iter().position(|path| path.pattern == wire) {
            Some(index) => index,
            None => self.insert_path(pattern, wire)?,
        };
        let path = &mut self.paths[index];
        if path.methods.iter().any(|route| route.method == method) {
            return Err(Error::conflict("http_route", format!("route `{method} {pattern}` is given twice; remove one of them")));
        }
        path.methods.push(Route { method, token, options });
        path.allow = allow(&path.methods);
        Ok(())
    }

    /// Has every request that no route is for lead to this token.
    pub(crate) fn set_fallback(&mut self, token: u64, options: RouteOptions) -> Result<()> {
        if self.fallback.is_some() {
            return Err(Error::conflict("http_fallback", "this server has a fallback; remove one of them"));
        }
        self.fallback = Some(Route { method: Method::GET, token, options });
        Ok(())
    }

    fn insert_path(&mut self, pattern: &str, wire: String) -> Result<usize> {
        let index = self.paths.len();
        self.router.insert(wire.clone(), index).map_err(|error| refused(pattern, &error))?;
        self.paths.push(Path { pattern: wire, methods: Vec::new(), allow: HeaderValue::from_static("") });
        Ok(index)
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Lookup<'_> {
        match (self.find_path(method, path), &self.fallback) {
            (Lookup::NotFound | Lookup::MethodNotAllowed(_), Some(fallback)) => Lookup::Found(fallback, Vec::new()),
            (found, _) => found,
        }
    }

    fn find_path(&self, method: &Method, path: &str) -> Lookup<'_> {
        let Ok(found) = self.router.at(path) else { return Lookup::NotFound };
        let entry = &self.paths[*found.value];
        let route = entry.route(method).or_else(|| if *method == Method::HEAD { entry.route(&Method::GET) } else { None });
        match route {
            Some(route) => Lookup::Found(route, found.params.iter().map(|(_, value)| range_in(path, value)).collect()),
            None => Lookup::MethodNotAllowed(&entry.allow),
        }
    }
}

impl Path {
    fn route(&self, method: &Method) -> Option<&Route> {
        self.methods.iter().find(|route| route.method == *method)
    }
}

/// Where a slice of the path lies in it. Heads are far shorter than 4 GiB.
fn range_in(path: &str, value: &str) -> (u32, u32) {
    let start = value.as_ptr().addr() - path.as_ptr().addr();
    (start as u32, (start + value.len()) as u32)
}

fn allow(methods: &[Route]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|route| route.method.as_str()).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    names.sort_unstable();
    HeaderValue::from_maybe_shared(Bytes::from(names.join(", "))).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Writes a pattern as matchit reads it, with its literal parts as they come over the wire.
fn wire_pattern(pattern: &str) -> Result<String> {
    if !pattern.starts_with('/') {
        return Err(Error::invalid("http_route", format!("path `{pattern}` must start with `/`")));
    }
    let mut wire = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').map(|close| open + close);
        let close = close.ok_or_else(|| Error::invalid("http_route", format!("path `{pattern}` has a `{{` without `}}`")))?;
        push_literal(&mut wire, &rest[..open], pattern)?;
        let name = &rest[open + 1..close];
        let (name, star) = name.strip_suffix(":path").map_or((name, ""), |name| (name, "*"));
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            return Err(Error::invalid(
                "http_route",
                format!("path `{pattern}` has a parameter named `{name}`; use letters, digits and `_`"),
            ));
        }
        wire.extend(["{", star, name, "}"]);
        rest = &rest[close + 1..];
    }
    push_literal(&mut wire, rest, pattern)?;
    Ok(wire)
}

fn push_literal(wire: &mut String, literal: &str, pattern: &str) -> Result<()> {
    if literal.contains(['}', '?', '#']) {
        return Err(Error::invalid("http_route", format!("path `{pattern}` has a `}}`, `?` or `#` outside a parameter")));
    }
    wire.extend(percent_encoding::utf8_percent_encode(literal, UNSAFE));
    Ok(())
}

fn refused(pattern: &str, error: &InsertError) -> Error {
    let why = match error {
        InsertError::Conflict { with } => format!("it cannot be told from `{with}`; rename one"),
        InsertError::InvalidParamSegment => "a segment may hold one parameter".into(),
        InsertError::InvalidCatchAll => "a `:path` parameter must be at the end".into(),
        _ => error.to_string(),
    };
    Error::invalid("http_route", format!("path `{pattern}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(routes: &Routes, method: &Method, path: &str) -> Option<(u64, Vec<String>)> {
        match routes.find(method, path) {
            Lookup::Found(route, params) => {
                Some((route.token, params.iter().map(|&(start, end)| path[start as usize..end as usize].to_owned()).collect()))
            }
            _ => None,
        }
    }

    fn routes(given: &[(Method, &str)]) -> Routes {
        let mut routes = Routes::default();
        for (token, (method, path)) in given.iter().enumerate() {
            routes.insert(method.clone(), path, token as u64, RouteOptions::default()).unwrap();
        }
        routes
    }

    #[test]
    fn parameters_are_found_where_they_lie_in_the_path() {
        let routes = routes(&[(Method::GET, "/links/{code}"), (Method::GET, "/files/{rest:path}"), (Method::GET, "/links/new")]);
        assert_eq!(found(&routes, &Method::GET, "/links/a%20b"), Some((0, vec!["a%20b".into()])));
        assert_eq!(found(&routes, &Method::GET, "/files/a/b"), Some((1, vec!["a/b".into()])));
        assert_eq!(found(&routes, &Method::GET, "/links/new"), Some((2, vec![])));
        assert_eq!(found(&routes, &Method::GET, "/links"), None);
    }

    #[test]
    fn head_is_answered_where_get_is_and_other_methods_are_told_what_is_allowed() {
        let routes = routes(&[(Method::POST, "/x"), (Method::GET, "/x")]);
        assert_eq!(found(&routes, &Method::HEAD, "/x"), Some((1, vec![])));
        let Lookup::MethodNotAllowed(allow) = routes.find(&Method::PUT, "/x") else { panic!("PUT was found") };
        assert_eq!(allow, "GET, HEAD, POST");
    }

    #[test]
    fn a_fallback_takes_what_no_route_is_for_and_nothing_else() {
        let mut routes = routes(&[(Method::GET, "/x")]);
        routes.set_fallback(9, RouteOptions::default()).unwrap();
        assert_eq!(found(&routes, &Method::GET, "/x"), Some((0, vec![])));
        assert_eq!(found(&routes, &Method::PUT, "/x"), Some((9, vec![])));
        assert_eq!(found(&routes, &Method::OPTIONS, "*"), Some((9, vec![])));
        assert!(routes.set_fallback(10, RouteOptions::default()).is_err());
    }

    #[test]
    fn a_literal_beyond_ascii_matches_its_encoded_form() {
        let routes = routes(&[(Method::GET, "/café")]);
        assert_eq!(found(&routes, &Method::GET, "/caf%C3%A9"), Some((0, vec![])));
    }

    #[test]
    fn mistakes_are_named() {
        let mut routes = routes(&[(Method::GET, "/x/{id}")]);
        let mut refusal = |path| routes.insert(Method::GET, path, 9, RouteOptions::default()).unwrap_err().to_string();
        assert_eq!(refusal("/x/{id}"), "http_route: route `GET /x/{id}` is given twice; remove one of them");
        assert_eq!(refusal("x"), "http_route: path `x` must start with `/`");
        assert!(refusal("/x/{name}").contains("cannot be told from `/x/{id}`"));
        assert!(refusal("/y/{id").contains("without"));
        assert!(refusal("/y/{a b}").contains("named `a b`"));
        assert!(refusal("/y/{rest:path}/z").contains("must be at the end"));
    }
}
