//! What is left of a connection once it is known who it is from and what is spoken on it.

use super::acceptor::Acceptor;
use crate::domain::facts::ConnectionFacts;
use crate::request::{AnswerBody, Scope};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection that is served to its end. In a box, so that all kinds of them are one task, which is small.
pub(super) type Spoken = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves `stream` to its end: HTTP/2 where `http2`, else HTTP/1.1 and 1.0. Requests are answered by `answer`.
pub(super) fn speak<I, F, A>(acceptor: Acceptor, stream: I, http2: bool, facts: ConnectionFacts, answer: A) -> Spoken
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Arc<Scope>, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<AnswerBody>, Infallible>> + Send + 'static,
{
    let scope = acceptor.scope(facts);
    let connections = acceptor.connections;
    Box::pin(async move {
        let link = scope.link().clone();
        let service = service_fn(move |request| answer(Arc::clone(&scope), request));
        connections.serve(stream, http2, service, link).await;
    })
}
