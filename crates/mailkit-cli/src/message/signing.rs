//! The signer that the options ask for.

use std::sync::Arc;

use mailkit::address::Domain;
use mailkit::config::Config;
use mailkit::mime::dkim::{Signer, SigningKey};
use mailkit::{DomainSigners, Message};

use super::input::Input;
use crate::args::DkimArgs;
use crate::failure::Failure;

/// The signer, if one is asked for; the options come all three or not at all.
pub(super) fn signer(args: &DkimArgs, input: &mut Input) -> Result<Option<Signer>, Failure> {
    let (Some(path), Some(selector), Some(domain)) = (&args.dkim_key, &args.dkim_selector, &args.dkim_domain) else {
        return Ok(None);
    };
    let text = input.read_key(path)?;
    let key = SigningKey::from_pem(&text)
        .map_err(|error| Failure::configuration(&format!("the DKIM key {} is of no use", path.display()), &error))?;
    let domain =
        Domain::parse(domain).map_err(|error| Failure::configuration("--dkim-domain makes no sense", &error))?;
    let signer = Signer::new(key, domain, selector);
    signer.map(Some).map_err(|error| Failure::configuration("the DKIM signer cannot be made", &error))
}

/// Who signs messages: the key of the options, or else those of the configuration for their domains.
#[derive(Clone)]
pub(crate) enum Signers {
    Option(Arc<[Signer]>),
    Domains(DomainSigners),
}

impl Signers {
    /// The key of the options where there is one, else those of the configuration.
    pub(crate) fn new(option: Option<Signer>, config: Option<&Config>) -> Result<Self, Failure> {
        match option {
            Some(signer) => Ok(Self::Option(Arc::new([signer]))),
            None => Ok(Self::Domains(config.map(Config::signers).transpose()?.unwrap_or_default())),
        }
    }

    /// Those that sign this message.
    pub(crate) fn for_message(&self, message: &Message) -> Result<Arc<[Signer]>, Failure> {
        match self {
            Self::Option(signers) => Ok(Arc::clone(signers)),
            Self::Domains(domains) => {
                let signers = domains.for_message(message).map_err(|error| Failure::content(&error))?;
                Ok(signers.into())
            }
        }
    }
}
