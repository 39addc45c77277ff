//! Mailboxes, domains and envelopes: the values that mail is addressed with
