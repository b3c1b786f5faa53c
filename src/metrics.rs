//! What a server tells of itself to Prometheus, in OpenMetrics text. Each server object has a registry of its own.
//!
//! No label names a user, a room, a device or an address.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use herenow_protocol::{CloseReason, StoreState, Violation};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::counts::{Counts, Detections, Histogram, WORK};
use crate::limits::Refusal;
use crate::store::StoreHealth;

/// The media type of what [`Metrics::text`] writes.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a server is like at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What its arbiters counted.
    pub counts: Counts,
    /// Open connections.
    pub connections: u64,
    /// Sessions, with observers and those that may be resumed.
    pub sessions: u64,
    /// Users whom others see.
    pub users: u64,
    /// Bytes that wait for slow readers.
    pub outbox_bytes: u64,
    /// Connections that take no bytes at the moment.
    pub blocked: u64,
    /// What became of those who vanished.
    pub detections: Detections,
    /// How long a message to the registry takes to be handled.
    pub registry_lag: Histogram,
    /// Repairs that clients asked for.
    pub divergences: u64,
    /// The store, if there is one.
    pub store: Option<StoreHealth>,
    /// Memory and descriptors of the process.
    pub process: Process,
}

/// What the process takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Bytes of memory that it occupies.
    pub resident_bytes: u64,
    /// Descriptors that it has open.
    pub descriptors: u64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            connections: 0,
            sessions: 0,
            users: 0,
            outbox_bytes: 0,
            blocked: 0,
            detections: Detections::default(),
            registry_lag: Histogram::new(WORK),
            divergences: 0,
            store: None,
            process: Process::default(),
        }
    }
}

/// Writes snapshots as text.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    newest: Newest,
}

#[derive(Clone, Debug, Default)]
struct Newest(Arc<Mutex<Snapshot>>);

impl Metrics {
    /// The metrics of one server.
    #[must_use]
    pub fn new() -> Self {
        let (mut registry, newest) = (Registry::with_prefix("herenow"), Newest::default());
        registry.register_collector(Box::new(newest.clone()));
        Self { registry, newest }
    }

    /// A snapshot as text.
    ///
    /// # Errors
    /// None: writing to a string does not fail.
    pub fn text(&self, snapshot: Snapshot) -> Result<String, fmt::Error> {
        *self.newest.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Collector for Newest {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let snapshot = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut page = Page(encoder);
        page.who_is_here(&snapshot)?;
        page.comings_and_goings(&snapshot.counts)?;
        page.traffic(&snapshot.counts)?;
        page.promises(&snapshot)?;
        page.resources(&snapshot)
    }
}

/// One page of metrics.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn who_is_here(&mut self, snapshot: &Snapshot) -> fmt::Result {
        self.gauge("connections", "Open connections.", None, snapshot.connections)?;
        let help = "Sessions, observers and those that may be resumed included.";
        self.gauge("sessions", help, None, snapshot.sessions)?;
        self.gauge("users", "Users whom others see.", None, snapshot.users)
    }

    fn comings_and_goings(&mut self, counts: &Counts) -> fmt::Result {
        self.counter("accepted", "Connections that were accepted.", None, counts.accepted)?;
        let refused = Refusal::ALL.iter().map(|refusal| refusal.name()).zip(counts.refused);
        self.counters("refused", "Connections refused before sign-in.", "reason", refused)?;
        let welcomed = [("welcomed", counts.signed_in), ("resumed", counts.resumed)];
        let refused = reasons().zip(counts.sign_ins_refused).filter(|(_, count)| *count > 0);
        let results = welcomed.into_iter().chain(refused);
        self.counters("sign_ins", "Sign-ins, by what came of them.", "result", results)?;
        let closes = reasons().zip(counts.closes);
        self.counters("closes", "Connections that ended.", "reason", closes)?;
        let violations = Violation::all().map(Violation::name).zip(counts.violations);
        self.counters("protocol_errors", "Rules that peers broke.", "violation", violations)
    }

    fn traffic(&mut self, counts: &Counts) -> fmt::Result {
        let frames = [("in", counts.frames_in), ("out", counts.frames_out)];
        self.counters("frames", "Frames read and written.", "direction", frames)?;
        let bytes = [("in", counts.bytes_in), ("out", counts.bytes_out)];
        self.counters("bytes", "Bytes of frames read and written.", "direction", bytes)?;
        self.counter("heartbeats", "Heartbeats that were answered.", None, counts.heartbeats)?;
        let help = "Times that a session was read from later because it said too much.";
        self.counter("throttled", help, None, counts.throttled)?;
        let help = "Round trips as clients measured them.";
        self.histogram("heartbeat_round_trip", help, &counts.round_trips)?;
        let help =
            "From the publication of a change until a thread had written it to all who watch.";
        self.histogram("fanout", help, &counts.fanout)
    }

    fn promises(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let help = "From the last sign of life of who vanished until that was published.";
        self.histogram("offline_detection", help, &snapshot.detections.delays)?;
        let help = "Detections that took longer than the bound announced to the client.";
        self.counter("detection_bound_exceeded", help, None, snapshot.detections.exceeded)?;
        let help = "Repairs that clients asked for because their list proved wrong.";
        self.counter("divergences", help, None, snapshot.divergences)
    }

    fn resources(&mut self, snapshot: &Snapshot) -> fmt::Result {
        let help = "Bytes that wait for slow readers.";
        self.gauge("outbox", help, Some(&Unit::Bytes), snapshot.outbox_bytes)?;
        let help = "Connections that take no bytes at the moment.";
        self.gauge("outboxes_blocked", help, None, snapshot.blocked)?;
        let help = "How long a message to the registry takes to be handled.";
        self.histogram("registry_lag", help, &snapshot.registry_lag)?;
        let resident = snapshot.process.resident_bytes;
        self.gauge("resident_memory", "Memory that is occupied.", Some(&Unit::Bytes), resident)?;
        let descriptors = snapshot.process.descriptors;
        self.gauge("open_descriptors", "Descriptors that are open.", None, descriptors)?;
        let Some(store) = &snapshot.store else { return Ok(()) };
        let failing = u64::from(store.state == StoreState::Failing);
        self.gauge("store_failing", "Whether the disk takes nothing.", None, failing)?;
        let help = "Transitions that wait for the disk.";
        self.gauge("store_waiting", help, None, store.waiting)?;
        let help = "Transitions that were lost for lack of room.";
        self.counter("store_dropped", help, None, store.dropped)
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let metric = self.0.encode_descriptor(name, help, unit, MetricType::Counter)?;
        counter.encode(metric)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        rows: impl IntoIterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in rows {
            let labels = [(label, value)];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: u64) -> fmt::Result {
        let metric = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        let (kind, unit) = (MetricType::Histogram, Some(&Unit::Seconds));
        let mut metric = self.0.encode_descriptor(name, help, unit, kind)?;
        let buckets = histogram.buckets();
        metric.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &buckets, None)
    }
}

fn reasons() -> impl Iterator<Item = &'static str> {
    CloseReason::all().map(CloseReason::name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_every_figure_once_and_ends() {
        let mut snapshot = Snapshot { sessions: 7, ..Snapshot::default() };
        snapshot.counts.closed(CloseReason::ProtocolError(Violation::FrameTooLong));
        snapshot.detections.exceeded = 1;
        let (state, text) = (StoreState::Written, String::new());
        snapshot.store = Some(StoreHealth { state, waiting: 0, dropped: 0, text });
        let text = Metrics::new().text(snapshot).expect("a string takes everything");
        for line in [
            "herenow_sessions 7",
            "herenow_closes_total{reason=\"protocol_error\"} 1",
            "herenow_closes_total{reason=\"heartbeat_timeout\"} 0",
            "herenow_protocol_errors_total{violation=\"frame_too_long\"} 1",
            "herenow_detection_bound_exceeded_total 1",
            "herenow_offline_detection_seconds_bucket{le=\"10.5\"} 0",
            "herenow_frames_total{direction=\"in\"} 0",
            "herenow_store_failing 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
        let mut described: Vec<_> =
            text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let count = described.len();
        described.sort_unstable();
        described.dedup();
        assert_eq!(described.len(), count, "twice described:\n{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
