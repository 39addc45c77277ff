//! SMTP listeners on tokio: the capture server
