//! Settings that are the text of a file, and made anew when it changes.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use hostloop::{
    App,
    app::{Running, provide},
};
use tokio::{sync::watch, time::timeout};

use crate::app_support::{BoxError, broken, built};

pub(crate) const AT_LAST: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
pub(crate) struct Settings(pub(crate) String);

/// How often settings were made.
pub(crate) struct Made(watch::Receiver<usize>);

impl Made {
    pub(crate) async fn times(&mut self, times: usize) {
        timeout(AT_LAST, self.0.wait_for(|made| *made >= times)).await.unwrap().unwrap();
    }

    pub(crate) fn so_far(&self) -> usize {
        *self.0.borrow()
    }
}

/// An application whose settings are the text of a file, and fail if it is `broken`.
pub(crate) fn reading(file: &Path, watched: &[&Path]) -> (App, Made) {
    let (sender, receiver) = watch::channel(0);
    let file = file.to_owned();
    let load = move || {
        let text = fs::read_to_string(&file);
        sender.send_modify(|made| *made += 1);
        async move {
            match text?.as_str() {
                "broken" => Err(broken("the settings are broken")),
                text => Ok::<_, BoxError>(Settings(text.into())),
            }
        }
    };
    let settings = watched.iter().fold(provide(load), |settings, path| settings.watch(*path));
    (built(App::builder().add(settings).invoke(|_: Arc<Settings>| async {})), Made(receiver))
}

/// Waits until the settings are these.
pub(crate) async fn until_settings(running: &Running, text: &str) {
    let changed = async {
        while running.resolve::<Settings>().await.unwrap().0 != text {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AT_LAST, changed).await.unwrap_or_else(|_| panic!("the settings never become `{text}`"));
}
