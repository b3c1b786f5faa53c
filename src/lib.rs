//! A presence server: it knows who is here, now, and can prove it.
//!
//! Reading order: [`config`] (every knob, and the bound computed from them), [`roster`] (one list),
//! [`merge`] (how devices become one person), [`registry`] (who is here), [`session`] (one connection's
//! rules), [`journal`] and [`store`] (what outlives the process), [`tls`] (how the server proves who it is), [`auth`] (who may come in), then [`actors`], which run these rules over
//! sockets. Outside [`actors`] code decides; inside it, code does.

pub mod actors;
pub mod auth;
pub mod clock;
pub mod config;
pub mod counts;
mod files;
pub mod journal;
pub mod limits;
pub mod merge;
pub mod metrics;
mod pace;
pub mod registry;
pub mod roster;
pub mod session;
pub mod store;
pub mod tick;
pub mod tls;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_rt::Arbiter;
use actix_web::dev::ServerHandle;
use herenow_protocol::Epoch;
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use actors::admin::{self, Inside};
use actors::desk::{Desk, memory_limit, watch_memory};
use actors::fanout_actor::{FanoutActor, Fanouts};
use actors::gate::Gate;
use actors::lines::Lines;
use actors::listener_actor::ListenerActor;
use actors::messages::{Drain, Finish, Reconfigure, StopAccepting, StopPublishing};
use actors::pulse::{self, Pulse};
use actors::registry_actor::RegistryActor;
use actors::session_actor::Local;
pub use clock::Clock;
pub use config::Config;
use registry::{Effect, Registry, Rules};
use store::{Store, StoreOptions};
use tick::Tick;
use tls::Identity;

/// How often it is looked whether the certificate's files have changed.
const CERTIFICATE_POLL: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is cancelled, then says goodbye to everyone and returns.
///
/// The configuration is the channel's first value; each further one is what a running server makes of a new
/// configuration, see [`Config::reloaded`]. `listeners` come from [`actors::listener_actor::bind`]. The first ones are served on this thread's
/// arbiter, further ones on arbiters of their own. Must run inside an actix [`System`]. `serving` is called once,
/// when connections are accepted.
///
/// # Errors
/// The store cannot be opened: its words say which file, why, and what to do. A listener that cannot be used is
/// logged, the others go on.
pub async fn run(
    listeners: impl Into<Listeners>,
    mut configs: watch::Receiver<Arc<Config>>,
    clock: Clock,
    shutdown: CancellationToken,
    serving: impl FnOnce(&Config),
) -> io::Result<()> {
    let config = Arc::clone(&configs.borrow_and_update());
    let (registry_state, store) = open_registry(&config, clock)?;
    let registry_context = Context::<RegistryActor>::new();
    let registry = registry_context.address();
    let desk = Arc::new(Desk::default());
    let mut threads = Vec::new();
    let mut posts = Vec::new();
    let listeners = listeners.into();
    let gate = match &listeners.gate {
        Some(gate) => Arc::clone(gate),
        None => Arc::new(Gate::open(&config, clock).map_err(io::Error::other)?),
    };
    actix_rt::spawn(Arc::clone(&gate).follow(shutdown.clone()));
    let identity = listeners.identity();
    for (arbiter, doors) in listeners.by_arbiter().into_iter().enumerate() {
        let station = Station {
            arbiter,
            config: Arc::clone(&config),
            clock,
            registry: registry.clone(),
            gate: Arc::clone(&gate),
            desk: Arc::clone(&desk),
        };
        if arbiter == 0 {
            posts.push(station.open(doors));
        } else {
            let thread = Arbiter::new();
            posts.extend(station.open_on(&thread, doors).await);
            threads.push(thread);
        }
    }
    if let Some(identity) = identity {
        actix_rt::spawn(follow_certificate(identity, clock, shutdown.clone()));
    }
    let fanouts = Fanouts(posts.iter().map(|post| post.fanout.clone()).collect());
    let pulse = Arc::new(Pulse::new(clock.instant()));
    let inside = Inside {
        fanouts: fanouts.clone(),
        registry: registry.clone(),
        store: store.clone(),
        pulse: Arc::clone(&pulse),
        clock,
    };
    let registry_actor = RegistryActor::new(registry_state, fanouts, clock, store.clone());
    registry_context.run(registry_actor.limited(config.sign_ins_per_second));
    actix_rt::spawn(pulse::probe(registry.clone(), Arc::clone(&pulse), clock));
    // One of each arbiter: they share what there is to give up.
    let listeners = posts.iter().filter_map(|post| post.listeners.first().cloned()).collect();
    let memory = if config.memory_max > 0 { config.memory_max as u64 } else { memory_limit() };
    actix_rt::spawn(watch_memory(desk, memory, listeners));
    let admin = open_admin(&config, inside)?;
    serving(&config);

    follow(&mut configs, &posts, &shutdown).await;
    pulse.stop();
    let patience = configs.borrow().shutdown_deadline;
    stop(&posts, &registry, patience).await;
    for thread in threads {
        thread.stop();
        // A thread that panicked has nothing left to stop.
        let _ = thread.join();
    }
    if let Some(admin) = admin {
        admin.stop(false).await;
    }
    // Their last words to the registry came before they ended.
    let _ = registry.send(Finish).await;
    if let Some(store) = store {
        store.close(true);
    }
    Ok(())
}

/// Begins to answer operators, where the configuration says so.
fn open_admin(config: &Config, inside: Inside) -> io::Result<Option<ServerHandle>> {
    let Some(address) = config.admin_listen else { return Ok(None) };
    let explained = |error| io::Error::other(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).map_err(explained)?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "operators may ask for /livez, /readyz and /metrics");
    }
    let server = admin::serve(listener, inside)?;
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(Some(handle))
}

/// The registry, empty or as a former process left it, and the store that it writes into.
fn open_registry(config: &Config, clock: Clock) -> io::Result<(Registry, Option<Store>)> {
    let mut registry = Registry::new(Epoch(rand::random()), Rules::from(config));
    let Some(folder) = &config.state else { return Ok((registry, None)) };
    let options = StoreOptions {
        last_seen_max: config.last_seen_max,
        log_keep: config.log_keep,
        ..StoreOptions::new(Arc::new(move || clock.now().unix_ms))
    };
    let (store, restored) = Store::open(folder, options).map_err(io::Error::other)?;
    let mut effects = Vec::new();
    registry.restore(restored, config.misses, clock.now(), &mut effects);
    let records = effects.into_iter().filter_map(|effect| match effect {
        Effect::Record(record) => Some(record),
        // Nobody is connected yet.
        Effect::Publish(_) | Effect::Deliver(..) => None,
    });
    store.write(records.collect());
    tracing::info!(sessions = registry.session_count(), "restored what the former process left");
    Ok((registry, Some(store)))
}

/// Where a server listens: sockets from [`actors::listener_actor::bind`], one of each kind for an arbiter.
#[derive(Debug, Default)]
pub struct Listeners {
    plain: Vec<TcpListener>,
    tls: Option<(Vec<TcpListener>, Arc<Identity>)>,
    gate: Option<Arc<Gate>>,
}

/// What one arbiter listens on.
type Doors = Vec<(TcpListener, Option<TlsAcceptor>)>;

impl From<Vec<TcpListener>> for Listeners {
    /// Plain connections only.
    fn from(plain: Vec<TcpListener>) -> Self {
        Self { plain, tls: None, gate: None }
    }
}

impl Listeners {
    /// These too, for TLS under this identity.
    #[must_use]
    pub fn with_tls(self, listeners: Vec<TcpListener>, identity: Arc<Identity>) -> Self {
        Self { tls: Some((listeners, identity)), ..self }
    }

    /// Let in whom this gate lets in, instead of one that is opened as the configuration says.
    #[must_use]
    pub fn guarded_by(self, gate: Arc<Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    fn identity(&self) -> Option<Arc<Identity>> {
        self.tls.as_ref().map(|(_, identity)| Arc::clone(identity))
    }

    fn by_arbiter(self) -> Vec<Doors> {
        let (tls, acceptor) = match self.tls {
            Some((listeners, identity)) => {
                (listeners, Some(TlsAcceptor::from(tls::server_config(identity))))
            }
            None => (Vec::new(), None),
        };
        let mut all: Vec<Doors> = Vec::new();
        all.resize_with(self.plain.len().max(tls.len()), Vec::new);
        for (doors, plain) in all.iter_mut().zip(self.plain) {
            doors.push((plain, None));
        }
        for (doors, tls) in all.iter_mut().zip(tls) {
            doors.push((tls, acceptor.clone()));
        }
        all
    }
}

/// Takes up a certificate soon after its files have changed.
async fn follow_certificate(identity: Arc<Identity>, clock: Clock, shutdown: CancellationToken) {
    while shutdown.run_until_cancelled(tokio::time::sleep(CERTIFICATE_POLL)).await.is_some() {
        let (identity, now) = (Arc::clone(&identity), clock.now().unix_ms);
        // A disk may be slow, and clients wait for nobody's certificate.
        let looked = actix_rt::task::spawn_blocking(move || {
            identity.look(now).inspect(|reloaded| log_certificate(&identity, reloaded))
        });
        let _ = looked.await;
    }
}

/// Tells the operator what became of a changed certificate.
pub fn log_certificate(identity: &Identity, reloaded: &Result<bool, tls::TlsError>) {
    match reloaded {
        Ok(true) => {
            let certificate = identity.certificate();
            let (fingerprint, not_after) = (certificate.fingerprint(), certificate.not_after());
            tracing::info!(%fingerprint, not_after, "a new certificate is shown from now on");
        }
        Ok(false) => tracing::info!("the certificate is the one that is shown already"),
        Err(error) => tracing::error!(%error, "the new certificate is not used, the old one stays"),
    }
}

/// The actors of an arbiter that outlive its sessions.
struct Post {
    listeners: Vec<Addr<ListenerActor>>,
    fanout: Addr<FanoutActor>,
}

/// What an arbiter needs to serve.
struct Station {
    arbiter: usize,
    config: Arc<Config>,
    clock: Clock,
    registry: Addr<RegistryActor>,
    gate: Arc<Gate>,
    desk: Arc<Desk>,
}

impl Station {
    /// Starts serving on this thread.
    fn open(self, doors: Doors) -> Post {
        let Self { arbiter, config, clock, registry, gate, desk } = self;
        let lines = Lines::new(arbiter, Tick::new(config.tick, config.tick_max));
        let fanout = FanoutActor::new(lines.clone(), Arc::clone(&config), clock).start();
        let local = Local::new(&config, clock, registry, lines).guarded_by(gate).sharing(desk);
        let local = Rc::new(local);
        let open = |(listener, tls)| ListenerActor::new(listener, Rc::clone(&local), tls).start();
        Post { listeners: doors.into_iter().map(open).collect(), fanout }
    }

    /// Starts serving on another thread; `None` if that one died.
    async fn open_on(self, thread: &Arbiter, doors: Doors) -> Option<Post> {
        let (started, post) = oneshot::channel();
        thread.spawn_fn(move || {
            // Nobody waits any more only if the server is being dropped.
            let _ = started.send(self.open(doors));
        });
        post.await.ok()
    }
}

/// Hands new configurations on until the server is to stop.
async fn follow(
    configs: &mut watch::Receiver<Arc<Config>>,
    posts: &[Post],
    shutdown: &CancellationToken,
) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = configs.changed() => {
                if changed.is_err() {
                    // Nobody is left who could change anything.
                    return shutdown.cancelled().await;
                }
                let config = Arc::clone(&configs.borrow_and_update());
                for post in posts {
                    for listener in &post.listeners {
                        listener.do_send(Reconfigure(Arc::clone(&config)));
                    }
                    post.fanout.do_send(Reconfigure(Arc::clone(&config)));
                }
            }
        }
    }
}

/// Stops accepting, stops publishing, says goodbye, and waits for the goodbyes to leave.
async fn stop(posts: &[Post], registry: &Addr<RegistryActor>, patience: Duration) {
    for listener in posts.iter().flat_map(|post| &post.listeners) {
        listener.do_send(StopAccepting);
    }
    // Its queue is drained first, so whatever was decided before the stop is not told half.
    let _ = registry.send(StopPublishing).await;
    let drains: Vec<_> = posts.iter().map(|post| post.fanout.send(Drain { patience })).collect();
    let mut left = 0;
    for drain in drains {
        left += drain.await.unwrap_or(0);
    }
    tracing::info!(sessions_cut = left, "everyone was told");
}
