//! Benchmarks: the only place that may depend on rival crates.
