//! The store: the suite that every queue passes, and what is asked of a file beyond that.

mod suite;
