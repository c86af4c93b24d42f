//! Families of metrics that know the names of their labels: who counts gives the values only.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

type Labels<const N: usize> = [(&'static str, String); N];

/// Seconds; the relayer aims at 10 ms.
const SECONDS: [f64; 9] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0];

macro_rules! families {
    ($($families:ident of $metric:ty, $family:ty, $new:expr;)*) => {$(
        pub struct $families<const N: usize> {
            names: [&'static str; N],
            family: $family,
        }

        impl<const N: usize> $families<N> {
            pub(crate) fn new(names: [&'static str; N]) -> Self {
                Self { names, family: $new }
            }

            pub(crate) fn family(&self) -> $family {
                self.family.clone()
            }

            fn at(&self, values: [&str; N]) -> $metric {
                let mut labels = self.names.map(|name| (name, String::new()));
                labels.iter_mut().zip(values).for_each(|((_, label), value)| label.push_str(value));
                self.family.get_or_create_owned(&labels)
            }
        }
    )*};
}

families! {
    Counters of Counter, Family<Labels<N>, Counter>, Family::default();
    Gauges of Gauge<f64, AtomicU64>, Family<Labels<N>, Gauge<f64, AtomicU64>>, Family::default();
    Histograms of Histogram, Family<Labels<N>, Histogram, fn() -> Histogram>,
        Family::new_with_constructor(|| Histogram::new(SECONDS));
}

impl<const N: usize> Counters<N> {
    pub fn add(&self, labels: [&str; N], more: u64) {
        self.at(labels).inc_by(more);
    }

    pub fn get(&self, labels: [&str; N]) -> u64 {
        self.at(labels).get()
    }
}

impl<const N: usize> Gauges<N> {
    pub fn set(&self, labels: [&str; N], value: f64) {
        self.at(labels).set(value);
    }
}

impl<const N: usize> Histograms<N> {
    pub fn observe(&self, labels: [&str; N], seconds: f64) {
        self.at(labels).observe(seconds);
    }
}
