//! Links: what they are, which are valid and where they are kept.

use std::sync::Arc;

use rand::{RngExt, distr::Alphanumeric};
use rusqlite::{ErrorCode, Row};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    clock::{Clock, moment},
    database::{Database, Durability},
    problems::Fault,
};

const URL_LENGTH: usize = 2048;
/// 62 to the 7th is 3.5e12 codes.
const CODE_LENGTH: usize = 7;
const RESERVED: [&str; 2] = ["health", "links"];

/// A link as it is kept and shown. Moments are UTC, `2031-01-02T03:04:05Z`, and sort as text.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// What it is called.
    pub code: String,
    /// Where it leads.
    pub url: String,
    /// How often it was followed.
    pub clicks: i64,
    /// When it was made.
    pub created_at: String,
    /// From when on it leads nowhere.
    pub expires_at: Option<String>,
}

/// Some links in order of code.
#[derive(Debug, Serialize)]
pub struct Page {
    /// The links.
    pub links: Vec<Link>,
    /// The code to go on after; nothing on the last page.
    pub next: Option<String>,
}

/// The body that asks for a link.
#[derive(Debug)]
pub struct NewLink {
    url: String,
    code: Option<String>,
    /// In UTC and whole seconds.
    expires_at: Option<String>,
}

/// Why a link was not made.
#[derive(Debug)]
pub enum NotMade {
    /// Another link has this code.
    Taken(String),
    /// The database failed.
    Failed(rusqlite::Error),
}

impl NewLink {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// All that keeps it from becoming a link.
    pub fn read(body: &[u8]) -> Result<Self, Vec<Fault>> {
        let Ok(Value::Object(members)) = serde_json::from_slice(body) else {
            return Err(vec![Fault::body("", Value::Null, "a JSON object")]);
        };
        let mut faults = Vec::new();
        let url = required(&members, "url", &mut faults);
        let code = optional(&members, "code", &mut faults);
        let expires_at = optional(&members, "expires_at", &mut faults);
        if let Some(url) = url.as_deref().filter(|url| !is_web_address(url)) {
            let wanted = format!("an absolute http or https URL of at most {URL_LENGTH} ASCII characters");
            faults.push(Fault::body("url", url.into(), wanted));
        }
        if let Some(code) = code.as_deref().filter(|code| !is_code(code)) {
            faults.push(Fault::body("code", code.into(), "1 to 32 letters, digits, dashes and underscores"));
        }
        if let Some(code) = code.as_deref().filter(|code| RESERVED.contains(code)) {
            faults.push(Fault::body("code", code.into(), format!("a code other than {}", RESERVED.join(" and "))));
        }
        let expiry = expires_at.as_deref().and_then(moment);
        if let (Some(text), None) = (expires_at, &expiry) {
            faults.push(Fault::body("expires_at", text.into(), "a moment as in RFC 3339, 2031-01-02T03:04:05Z"));
        }
        match url {
            Some(url) if faults.is_empty() => Ok(Self { url, code, expires_at: expiry }),
            _ => Err(faults),
        }
    }
}

fn required(members: &Map<String, Value>, name: &'static str, faults: &mut Vec<Fault>) -> Option<String> {
    match members.get(name) {
        Some(Value::String(text)) => return Some(text.clone()),
        Some(other) => faults.push(Fault::body(name, other.clone(), "a string")),
        None => faults.push(Fault::body(name, Value::Null, "a string: it is required")),
    }
    None
}

fn optional(members: &Map<String, Value>, name: &'static str, faults: &mut Vec<Fault>) -> Option<String> {
    match members.get(name) {
        None | Some(Value::Null) => None,
        Some(_) => required(members, name, faults),
    }
}

fn is_web_address(url: &str) -> bool {
    let is_written = url.len() <= URL_LENGTH && url.bytes().all(|byte| byte.is_ascii_graphic());
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit('@').next().unwrap_or_default();
    let host = match place.strip_prefix('[') {
        Some(address) => address.split_once(']').map_or("", |(address, _)| address),
        None => place.split(':').next().unwrap_or_default(),
    };
    is_written && ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) && !host.is_empty()
}

fn is_code(code: &str) -> bool {
    (1..=32).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// The links of one database.
pub struct Links {
    database: Arc<Database>,
    clock: Arc<Clock>,
}

impl Links {
    /// Keeps links in this database.
    #[must_use]
    pub fn new(database: Arc<Database>, clock: Arc<Clock>) -> Self {
        Self { database, clock }
    }

    /// Keeps a link, and invents a code if it asks for none.
    ///
    /// # Errors
    ///
    /// The code is taken, or the database failed.
    pub async fn add(&self, new: NewLink) -> Result<Link, NotMade> {
        loop {
            let NewLink { url, code, expires_at } = &new;
            let link = Link {
                code: code.clone().unwrap_or_else(invented_code),
                url: url.clone(),
                clicks: 0,
                created_at: self.clock.now(),
                expires_at: expires_at.clone(),
            };
            let values = (link.code.clone(), link.url.clone(), link.created_at.clone(), link.expires_at.clone());
            let statement = "INSERT INTO links (code, url, created_at, expires_at) VALUES (?, ?, ?, ?)";
            match (self.database.write(statement, values, Durability::Disk).await, code) {
                (Ok(_), _) => return Ok(link),
                (Err(error), Some(code)) if is_taken(&error) => return Err(NotMade::Taken(code.clone())),
                (Err(error), None) if is_taken(&error) => {}
                (Err(error), _) => return Err(NotMade::Failed(error)),
            }
        }
    }

    /// Returns the link of a code, expired or not.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn find(&self, code: &str) -> rusqlite::Result<Option<Link>> {
        let statement = "SELECT code, url, clicks, created_at, expires_at FROM links WHERE code = ?";
        Ok(self.database.read(statement, [code.to_owned()], link).await?.pop())
    }

    /// Returns whether a link leads nowhere any more.
    #[must_use]
    pub fn is_expired(&self, link: &Link) -> bool {
        link.expires_at.as_ref().is_some_and(|expires_at| *expires_at <= self.clock.now())
    }

    /// Returns up to `limit` links, those whose codes sort after `after`.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn page(&self, limit: usize, after: Option<String>) -> rusqlite::Result<Page> {
        let statement = "SELECT code, url, clicks, created_at, expires_at FROM links WHERE code > ? ORDER BY code LIMIT ?";
        let mut links = self.database.read(statement, (after.unwrap_or_default(), limit as i64 + 1), link).await?;
        let is_last = links.len() <= limit;
        links.truncate(limit);
        let next = links.last().filter(|_| !is_last).map(|link| link.code.clone());
        Ok(Page { links, next })
    }

    /// Adds one to a link's clicks. A loss of power may cost the last clicks, and no visitor waits for the disk.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn count_click(&self, code: &str) -> rusqlite::Result<()> {
        let statement = "UPDATE links SET clicks = clicks + 1 WHERE code = ?";
        self.database.write(statement, [code.to_owned()], Durability::Process).await.map(drop)
    }

    /// Deletes a link; returns whether there was one.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn remove(&self, code: &str) -> rusqlite::Result<bool> {
        let changed = self.database.write("DELETE FROM links WHERE code = ?", [code.to_owned()], Durability::Disk).await?;
        Ok(changed > 0)
    }

    /// Deletes the links that have expired; returns how many.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn drop_expired(&self) -> rusqlite::Result<usize> {
        self.database.write("DELETE FROM links WHERE expires_at <= ?", [self.clock.now()], Durability::Process).await
    }
}

fn invented_code() -> String {
    rand::rng().sample_iter(Alphanumeric).take(CODE_LENGTH).map(char::from).collect()
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link { code: row.get(0)?, url: row.get(1)?, clicks: row.get(2)?, created_at: row.get(3)?, expires_at: row.get(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_address_has_a_scheme_and_a_host() {
        for url in ["http://a", "HTTPS://Example.com:443", "https://user@example.com/?q=1#top", "http://[::1]:80/"] {
            assert!(is_web_address(url), "{url}");
        }
        for url in [
            "",
            "example.com",
            "https:///no-host",
            "https://:80",
            "https://user@",
            "ftp://a",
            "http://a b",
            "http://é",
            "http://[]",
        ] {
            assert!(!is_web_address(url), "{url}");
        }
    }
}
