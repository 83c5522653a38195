//! The engines of one `http` declaration: how they start together, and drain together.

use std::{
    fmt, io,
    net::ToSocketAddrs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use super::{
    Http, Service,
    memory::{self, Door},
    stillness::Stillness,
    thread::{EngineThread, Entrance, Order, Orders},
};
use crate::{
    Address, Error, ServerOptions,
    app::{
        driver::{Reach, wait::first_of},
        error::Panicked,
        handle::AppHandle,
        listening::{Hurry, Listening},
    },
};

/// Threads that serve.
struct Engines(Vec<Serving>);

/// A thread that serves. Dropped, it closes at once.
struct Serving {
    orders: Orders,
    /// Tells how many requests were cut off, once the thread has let go of the service.
    ended: oneshot::Receiver<usize>,
    cut: usize,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.orders.give(Order::Close);
    }
}

/// Starts every engine, and returns when all of them take requests.
pub(super) async fn start<S: Service>(mut http: Http, app: AppHandle, service: S) -> Result<Listening, Error> {
    // The time for a drain comes with its order.
    http.options.timeouts.drain = None;
    match app.driver().reach {
        Reach::Sockets => listen(http, app, service).await,
        Reach::Memory => open_door(http, app, service).await,
    }
}

/// One engine that is reached through memory, however many would share a port.
async fn open_door<S: Service>(http: Http, app: AppHandle, service: S) -> Result<Listening, Error> {
    let Http { address, options, .. } = http;
    let grace = app.driver().blueprint.options.grace;
    let entrance = Entrance::Memory { peer: memory::peer(&address), stillness: Stillness::new(&app.driver().runtime) };
    let (serving, _) = Starting { number: 0, entrance, options, app }.start(service).await?;
    let door = Door::new(address, serving.orders.clone());
    Ok(Engines(vec![serving]).listening(grace).through(door))
}

async fn listen<S: Service>(http: Http, app: AppHandle, service: S) -> Result<Listening, Error> {
    let Http { address, threads, options } = http;
    let mut addresses = resolved(address).await?;
    if threads > 1 && addresses.iter().any(|address| matches!(address, Address::Unix(_))) {
        return Err(Error::invalid(
            "http",
            format!("a unix socket is served by one thread, not by {threads}; leave `threads` out"),
        ));
    }
    let mut engines = Engines(Vec::new());
    for number in 0..threads {
        let entrance = Entrance::Sockets { addresses, is_shared: threads > 1 };
        let starting = Starting { number, entrance, options: options.clone(), app: app.clone() };
        let (serving, address) = starting.start(service.clone()).await?;
        engines.0.push(serving);
        // The others share the port that the first was given.
        addresses = address.into_iter().collect();
    }
    let listening = engines.listening(app.driver().blueprint.options.grace);
    Ok(addresses.into_iter().fold(listening, Listening::at))
}

/// One engine that is about to be started.
struct Starting {
    number: usize,
    entrance: Entrance,
    options: ServerOptions,
    app: AppHandle,
}

impl Starting {
    async fn start<S: Service>(self, service: S) -> Result<(Serving, Option<Address>), Error> {
        let (bound, is_bound) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let name = format!("hostloop-http-{}", self.number);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let _working = self.entrance.stillness().map(Stillness::working);
            let cut = match EngineThread::open(self.entrance, self.options, service) {
                Ok((thread, address, orders)) => {
                    // If the start was given up, this is dropped and closes the engine.
                    drop(bound.send(Ok((Serving { orders, ended, cut: 0 }, address))));
                    serve(thread, &self.app)
                }
                Err(error) => {
                    let _ = bound.send(Err(error));
                    0
                }
            };
            let _ = end.send(cut);
        });
        thread.map_err(|error| Error::io("http", "no thread could be started for an engine", error))?;
        match is_bound.await {
            Ok(bound) => bound,
            Err(_) => Err(Error::new(crate::ErrorKind::Panic, "http", "the engine's thread has panicked")),
        }
    }
}

/// Serves, and stops the application if that ends by a panic: nobody would listen any more.
fn serve<S: Service>(thread: EngineThread<S>, app: &AppHandle) -> usize {
    match catch_unwind(AssertUnwindSafe(|| thread.serve(&app.driver().runtime))) {
        Ok(cut) => cut,
        Err(panic) => {
            tracing::error!(target: "hostloop::http", error = %Panicked::new(&*panic), "an engine's thread has ended; the application stops");
            app.request_stop(1);
            0
        }
    }
}

/// Where an address leads. A name such as `localhost` may have several, to be tried in turn.
async fn resolved(address: String) -> Result<Vec<Address>, Error> {
    let unreadable = match address.parse() {
        Ok(address) => return Ok(vec![address]),
        Err(error) => error,
    };
    let is_name = address.rsplit_once(':').is_some_and(|(name, port)| name != "unix" && port.parse::<u16>().is_ok());
    if !is_name {
        return Err(unreadable);
    }
    let asked = address.clone();
    match tokio::task::spawn_blocking(move || Ok(asked.to_socket_addrs()?.map(Address::Tcp).collect())).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err::<_, io::Error>(error)) => Err(Error::io("address", format!("`{address}` names no machine"), error)),
        Err(_) => Err(unreadable),
    }
}

impl Engines {
    /// `grace` is how long they have once they are told to hurry.
    fn listening(self, grace: Duration) -> Listening {
        let hurried = Arc::new(Notify::new());
        let is_hurried = Arc::clone(&hurried);
        let hurry = Hurry::new(move || hurried.notify_one());
        Listening::new(move |patience| self.drain(patience, is_hurried, grace)).hurried_by(hurry)
    }

    /// Drains all of them at once, until each thread has let go of the service.
    async fn drain(mut self, patience: Option<Duration>, hurried: Arc<Notify>, grace: Duration) -> Result<(), CutOff> {
        self.order(|| Order::Drain(patience));
        if first_of(self.ended(), hurried.notified()).await.is_err() {
            // Requests get their 503, and clients some time to take it.
            self.order(|| Order::Drain(Some(Duration::ZERO)));
            if timeout(grace / 2, self.ended()).await.is_err() {
                self.order(|| Order::Close);
                self.ended().await;
            }
        }
        match self.0.iter().map(|serving| serving.cut).sum() {
            0 => Ok(()),
            requests => Err(CutOff { requests }),
        }
    }

    fn order(&self, order: impl Fn() -> Order) {
        self.0.iter().for_each(|serving| serving.orders.give(order()));
    }

    /// Waits until every thread has ended. Dropped and called again, it goes on.
    async fn ended(&mut self) {
        for serving in &mut self.0 {
            if !serving.ended.is_terminated() {
                serving.cut = (&mut serving.ended).await.unwrap_or(0);
            }
        }
    }
}

/// Requests that the drain did not wait for any longer.
#[derive(Debug)]
struct CutOff {
    requests: usize,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requests {
            1 => f.write_str("1 request was not answered in time and was cut off with a 503"),
            requests => write!(f, "{requests} requests were not answered in time and were cut off with a 503"),
        }
    }
}

impl std::error::Error for CutOff {}
