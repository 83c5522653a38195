//! What the service takes from its environment.

use std::{error, fmt, path::PathBuf, time::Duration};

/// Where the service listens, where it keeps its links, and how often it drops those that have expired.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 takes any.
    pub port: u16,
    /// The SQLite file.
    pub database: PathBuf,
    /// The time between two sweeps.
    pub sweep: Duration,
}

/// A variable of the environment has a value that the service cannot use.
#[derive(Debug)]
pub struct SettingsError {
    name: &'static str,
    got: String,
    fix: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}; {}", self.name, self.got, self.fix)
    }
}

impl error::Error for SettingsError {}

impl Settings {
    /// Reads HOST, PORT, DATABASE and SWEEP; each has a default.
    ///
    /// # Errors
    ///
    /// The first value that cannot be used.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let or = |name, default: &str| variable(name).unwrap_or_else(|| default.to_owned());
        Ok(Self {
            host: host(or("HOST", "127.0.0.1"))?,
            port: port(or("PORT", "8000"))?,
            database: database(or("DATABASE", "links.db"))?,
            sweep: sweep(or("SWEEP", "3600"))?,
        })
    }

    /// Returns the address to listen on, with brackets around an IPv6 address.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

fn host(value: String) -> Result<String, SettingsError> {
    if value.is_empty() || value != value.trim() {
        let fix = "set it to a host name or an address, such as 127.0.0.1".into();
        return Err(SettingsError { name: "HOST", got: value, fix });
    }
    Ok(value)
}

fn port(value: String) -> Result<u16, SettingsError> {
    match value.parse() {
        Ok(port @ 1..) if value.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(SettingsError { name: "PORT", got: value, fix: "set it to a number from 1 to 65535".into() }),
    }
}

fn database(value: String) -> Result<PathBuf, SettingsError> {
    let wrong = |fix: String| SettingsError { name: "DATABASE", got: value.clone(), fix };
    let path = std::path::absolute(&value).map_err(|_| wrong("set it to the path of a file, such as links.db".into()))?;
    if path.is_dir() {
        return Err(wrong("set it to the path of a file, such as links.db".into()));
    }
    match path.parent() {
        Some(folder) if !folder.is_dir() => Err(wrong(format!("create the directory {} first", folder.display()))),
        _ => Ok(path),
    }
}

fn sweep(value: String) -> Result<Duration, SettingsError> {
    let seconds = value.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(sweep) => Ok(sweep),
        None => Err(SettingsError { name: "SWEEP", got: value, fix: "set it to a number of seconds above 0, such as 3600".into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Settings, String> {
        let variable = |asked: &str| (asked == name).then(|| value.to_owned());
        Settings::read(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn every_variable_has_a_default() {
        let settings = read("", "").unwrap();
        assert_eq!((settings.address().as_str(), settings.sweep), ("127.0.0.1:8000", Duration::from_secs(3600)));
        assert!(settings.database.is_absolute());
    }

    #[test]
    fn what_cannot_be_used_is_named_with_the_fix() {
        assert_eq!(read("PORT", "0").unwrap_err(), "PORT is \"0\"; set it to a number from 1 to 65535");
        assert_eq!(read("PORT", "+80").unwrap_err(), "PORT is \"+80\"; set it to a number from 1 to 65535");
        assert!(read("HOST", " ").unwrap_err().starts_with("HOST is \" \"; set it to a host name"));
        assert!(read("DATABASE", "/").unwrap_err().contains("set it to the path of a file"));
        assert!(read("DATABASE", "/nowhere/links.db").unwrap_err().contains("create the directory /nowhere first"));
        assert!(read("SWEEP", "never").unwrap_err().contains("set it to a number of seconds"));
        assert_eq!(read("SWEEP", "0.5").unwrap().sweep, Duration::from_millis(500));
    }
}
