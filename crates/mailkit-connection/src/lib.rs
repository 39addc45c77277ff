//! A client connection for SMTP and LMTP on tokio and rustls

mod connection;
mod connector;
mod content;
mod dial;
mod driver;
mod error;
mod host;
mod host_name;
mod probe;
mod proxy;
mod resolve;
mod send_check;
mod sending;
mod settings;
mod settings_file;
mod tls;
mod transport;
mod url;

pub use self::connection::{Connection, SendAll};
pub use self::connector::Connector;
pub use self::content::Content;
pub use self::dial::{DialError, DialStep, dial};
pub use self::error::{Cause, Error};
pub use self::host::{Host, HostError};
pub use self::host_name::full_host_name;
pub use self::probe::speaks_tls;
pub use self::proxy::{Proxy, ProxyError, ProxyKind};
pub use self::sending::Submission;
pub use self::settings::{ConnectorConfig, Endpoint, TimeLimits, TlsMode};
pub use self::settings_file::read_settings_file;
pub use self::tls::{DangerousTlsSettings, TlsBlame, TlsClient, TlsError, TlsInfo, TlsSettings, secure};
pub use self::transport::{BoxedTransport, Dialed, Peer, Transport};
pub use self::url::{ServerUrl, UrlError};
pub use mailkit_smtp::client::Protocol;
