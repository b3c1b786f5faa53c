//! What operators and their tools ask over HTTP, on an address of its own: `/livez`, `/readyz` and `/metrics`.
//!
//! Nothing here names anybody. It runs on a thread of its own, so that a scrape holds up nobody's heartbeat.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix::prelude::*;
use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use herenow_protocol::StoreState;
use serde_json::json;

use super::fanout_actor::Fanouts;
use super::messages::{CallRoll, TakeStock};
use super::pulse::Pulse;
use super::registry_actor::RegistryActor;
use crate::clock::Clock;
use crate::metrics::{MEDIA_TYPE, Metrics, Snapshot};
use crate::store::Store;

/// Whom to ask.
#[derive(Clone)]
pub struct Inside {
    /// Where the connections are.
    pub fanouts: Fanouts,
    /// Where the sessions are.
    pub registry: Addr<RegistryActor>,
    /// Where the state is written, if it is.
    pub store: Option<Store>,
    /// How the server is.
    pub pulse: Arc<Pulse>,
    /// The clock.
    pub clock: Clock,
}

/// Begins to answer on a listening socket.
///
/// # Errors
/// The socket cannot be used.
pub fn serve(listener: TcpListener, inside: Inside) -> io::Result<Server> {
    let metrics = Arc::new(Metrics::new());
    let app = move || {
        App::new()
            .app_data(web::Data::new(inside.clone()))
            .app_data(web::Data::from(Arc::clone(&metrics)))
            .route("/livez", web::get().to(livez))
            .route("/readyz", web::get().to(readyz))
            .route("/metrics", web::get().to(scrape))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
    Ok(server.listen(listener)?.run())
}

/// The process runs and answers.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::plaintext()).body("alive\n")
}

/// Whether clients should be sent here, and if not, why. A failing disk is a flag only: presence goes on without it.
async fn readyz(inside: web::Data<Inside>) -> HttpResponse {
    let reasons = inside.pulse.reasons_not_ready(inside.clock.instant());
    let failing = |store: &Store| store.health().state == StoreState::Failing;
    let degraded: Vec<_> =
        inside.store.as_ref().filter(|store| failing(store)).map(|_| "store").into_iter().collect();
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons, "degraded": degraded });
    let mut answer = match reasons.is_empty() {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    answer.content_type(ContentType::json()).body(format!("{body}\n"))
}

async fn scrape(inside: web::Data<Inside>, metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.text(inside.snapshot().await) {
        Ok(text) => HttpResponse::Ok().content_type(MEDIA_TYPE).body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

impl Inside {
    async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            registry_lag: self.pulse.lag(),
            store: self.store.as_ref().map(Store::health),
            process: super::pulse::process(),
            ..Snapshot::default()
        };
        let questions: Vec<_> =
            self.fanouts.0.iter().map(|fanout| fanout.send(TakeStock)).collect();
        for question in questions {
            // An arbiter that is being stopped counts no more.
            let Ok(stock) = question.await else { continue };
            snapshot.counts.merge(&stock.counts);
            snapshot.connections += stock.connections;
            snapshot.outbox_bytes += stock.outbox_bytes;
            snapshot.blocked += stock.blocked;
        }
        if let Ok(roll) = self.registry.send(CallRoll).await {
            (snapshot.sessions, snapshot.users) = (roll.sessions, roll.users);
            (snapshot.detections, snapshot.divergences) = (roll.detections, roll.divergences);
        }
        snapshot
    }
}
