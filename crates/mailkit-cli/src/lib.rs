//! The mailkit command
