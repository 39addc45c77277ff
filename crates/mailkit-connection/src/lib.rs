//! A client connection for SMTP and LMTP on tokio and rustls
