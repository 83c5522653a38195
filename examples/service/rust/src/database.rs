//! The SQLite file, and how many threads share it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Params, Row};
use tokio::task::spawn_blocking;

/// How long a write waits for another process to finish its own.
const BUSY: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS links (
    code TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    clicks INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    expires_at TEXT
) WITHOUT ROWID
";

/// Whether a write has to outlive a loss of power, or only a crash of the process.
#[derive(Clone, Copy, Debug)]
pub enum Durability {
    /// It is on the disk when the call returns.
    Disk,
    /// It costs no wait for the disk.
    Process,
}

/// One SQLite file behind two calls, `read` and `write`.
///
/// Both run on threads for blocking work: even a short statement can meet a checkpoint and wait for the disk. In WAL mode a reader waits for
/// nobody, so each call takes a connection of its own; SQLite has one writer at a time, so writers queue for a lock here rather than poll
/// for SQLite's.
pub struct Database {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Database {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub async fn open(path: &Path) -> rusqlite::Result<Self> {
        let database = Self { path: path.to_owned(), idle: Arc::default(), writing: Arc::default() };
        database
            .call(|connection| {
                connection.pragma_update(None, "journal_mode", "WAL")?;
                connection.execute_batch(SCHEMA)
            })
            .await?;
        Ok(database)
    }

    /// Runs a query and returns all its rows.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub async fn read<P, T>(
        &self,
        statement: &'static str,
        values: P,
        row: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>>
    where
        P: Params + Send + 'static,
        T: Send + 'static,
    {
        self.call(move |connection| connection.prepare_cached(statement)?.query_map(values, row)?.collect()).await
    }

    /// Runs one statement as a transaction and returns how many rows it changed.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub async fn write<P>(&self, statement: &'static str, values: P, durability: Durability) -> rusqlite::Result<usize>
    where
        P: Params + Send + 'static,
    {
        // The lock goes with the statement: a client that leaves does not let the next writer in too early.
        let writing = Arc::clone(&self.writing).lock_owned().await;
        self.call(move |connection| {
            let _writing = writing;
            let synchronous = match durability {
                Durability::Disk => "FULL",
                Durability::Process => "NORMAL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            connection.prepare_cached(statement)?.execute(values)
        })
        .await
    }

    /// Closes the connections; the last one to go folds the WAL into the file.
    ///
    /// # Errors
    ///
    /// SQLite's.
    pub async fn close(self: Arc<Self>) -> rusqlite::Result<()> {
        let _last = self.writing.lock().await;
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        blocking(move || idle.into_iter().try_for_each(|connection| connection.close().map_err(|(_, error)| error))).await
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = taken.map_or_else(|| connect(&path), Ok)?;
            let outcome = call(&connection);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            outcome
        })
        .await
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Runs a call on a thread where it may wait, and has its panic go on here.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(call).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
