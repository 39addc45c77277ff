//! Exchanges of both halves, joined in memory
