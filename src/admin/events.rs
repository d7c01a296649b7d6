//! Events: the feed as a stream of server-sent events, one a second.
//!
//! The first, `snapshot`, has every second that is kept; each `news` after it has the seconds since the one before, and
//! everything else anew. The stream ends when the proxy stops.
//! Limits: `recent.subscribers`.

use super::command::{Asked, Command, Outcome};
use super::feed::FeedView;
use crate::runtime::{Deadline, Place, Places};
use crate::telemetry::{Counter, WorkerMetrics};
use hyper::body::{Body, Bytes, Frame};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Between two events.
const PERIOD: Duration = Duration::from_secs(1);

/// The way to whoever knows how things are, and who may follow the feed; cheap to clone.
#[derive(Clone, Debug)]
pub struct Feeds {
    app: mpsc::Sender<Asked>,
    subscribers: Places,
    counts: WorkerMetrics,
}

impl Feeds {
    /// Asks `app`, for as many as there are places.
    #[must_use]
    pub const fn new(app: mpsc::Sender<Asked>, subscribers: Places, counts: WorkerMetrics) -> Self {
        Self { app, subscribers, counts }
    }

    /// Lets so many follow from now on; who follows already goes on.
    pub fn resize(&self, subscribers: usize) {
        self.subscribers.resize(subscribers);
    }

    /// Does `command` and gives its outcome; `None` once the proxy has stopped.
    pub(super) async fn ask(&self, command: Command) -> Option<Outcome> {
        let (reply, outcome) = oneshot::channel();
        self.app.send(Asked { command, reply }).await.ok()?;
        outcome.await.ok()
    }

    /// A stream for one more; `None` where there are enough.
    pub(super) fn follow(&self) -> Option<Events> {
        let Some(place) = self.subscribers.try_take() else {
            self.counts.add(Counter::SubscribersFull, 1);
            return None;
        };
        let reader = Reader { feeds: self.clone(), after: None, due: Deadline::after(Duration::ZERO), _place: place };
        Some(Events(Box::pin(reader.next())))
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Reader)>> + Send>>;

/// A body that never ends by itself.
pub(super) struct Events(Next);

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").finish_non_exhaustive()
    }
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = ready!(self.0.as_mut().poll(cx));
        let frame = next.map(|(bytes, reader)| {
            self.0 = Box::pin(reader.next());
            Ok(Frame::data(bytes))
        });
        if frame.is_none() {
            self.0 = Box::pin(std::future::pending());
        }
        Poll::Ready(frame)
    }
}

/// What one subscriber has read.
struct Reader {
    feeds: Feeds,
    /// The number of the second that it has not read yet.
    after: Option<u64>,
    due: Deadline,
    _place: Place,
}

impl Reader {
    /// The next event; `None` once the proxy stops.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        tokio::select! {
            () = self.due.wait() => {}
            () = self.feeds.app.closed() => return None,
        }
        // A subscriber that is slow skips what it was too slow for.
        self.due = Deadline::after(PERIOD);
        let Outcome::Feed(view) = self.feeds.ask(Command::Feed(self.after.unwrap_or_default())).await? else {
            return None;
        };
        let name = if self.after.is_none() { "snapshot" } else { "news" };
        self.after = Some(view.series.next);
        Some((event(name, &view)?, self))
    }
}

/// JSON has no line ends, so it is one line of data.
fn event(name: &str, view: &FeedView) -> Option<Bytes> {
    let data = serde_json::to_string(view).ok()?;
    Some(Bytes::from(format!("event: {name}\ndata: {data}\n\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::SeriesView;
    use crate::telemetry::Metrics;
    use http_body_util::BodyExt;

    async fn text(events: &mut Events) -> Option<String> {
        let frame = events.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn news_follow_a_snapshot_until_the_app_is_gone() {
        let (app, mut asked) = mpsc::channel::<Asked>(1);
        let metrics = Metrics::new(1);
        let feeds = Feeds::new(app, Places::new(1), metrics.worker(0));
        let mut events = feeds.follow().unwrap();
        assert!(feeds.follow().is_none());
        assert_eq!(metrics.total(Counter::SubscribersFull), 1);
        let answering = async {
            for (after, next) in [(0, 7), (7, 8)] {
                let Asked { command, reply } = asked.recv().await.unwrap();
                assert_eq!(command, Command::Feed(after));
                let series = SeriesView { next, ..SeriesView::default() };
                drop(reply.send(Outcome::Feed(Box::new(FeedView { series, ..FeedView::default() }))));
            }
            drop(asked);
        };
        let reading = async {
            let (first, second) = (text(&mut events).await.unwrap(), text(&mut events).await.unwrap());
            assert!(first.starts_with("event: snapshot\ndata: {\"version\":") && first.ends_with("}\n\n"), "{first}");
            assert!(second.starts_with("event: news\ndata: {") && second.contains("\"next\":8"), "{second}");
            assert_eq!(second.lines().count(), 3, "{second}");
        };
        tokio::join!(answering, reading);
        assert_eq!(text(&mut events).await, None);
        drop(events);
        assert!(feeds.follow().is_some(), "the place was given back");
    }
}
