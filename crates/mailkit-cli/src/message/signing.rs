//! The signer that the options ask for.

use mailkit::address::Domain;
use mailkit::mime::dkim::{Signer, SigningKey};

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
