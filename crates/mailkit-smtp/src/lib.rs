//! Sans-IO SMTP and LMTP: client and server machines, replies, commands, extensions and SASL

pub mod sasl;
