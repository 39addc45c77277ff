//! What to fix, in words.

use mailkit::connection::{Endpoint, TlsMode};
use mailkit::smtp::Extensions;

use super::certificate::Certificate;
use super::look::Findings;
use crate::server::Server;

/// Fewer days than this are too few to renew a certificate at leisure.
const DAYS_TO_RENEW: i64 = 21;

pub(super) fn advice(server: &Server, findings: &Findings) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(tls) = &findings.tls {
        about_certificates(&tls.chain, findings.trusted, &mut advice);
        if tls.version == "TLSv1.2" {
            advice.push("the server speaks TLS 1.2 only: TLS 1.3 connects in fewer round trips".to_owned());
        }
    }
    if server.mailer.config().tls().accepts_any_certificate() {
        advice
            .push("any certificate is accepted (insecure=no-verify): trust its issuer with ca=FILE instead".to_owned());
    } else if findings.failure.is_none() && findings.tls.is_some() && !findings.trusted {
        advice.push(
            "the certificate is not trusted, and tls=opportunistic goes on all the same: trust its issuer with ca=FILE"
                .to_owned(),
        );
    }
    about_clear_text(server, findings, &mut advice);
    if let Some(session) = &findings.session {
        about_extensions(&session.extensions, &mut advice);
    }
    advice
}

fn about_certificates(chain: &[Certificate], trusted: bool, advice: &mut Vec<String>) {
    for certificate in chain {
        let Certificate { subject, days_left, .. } = certificate;
        if *days_left < 0 {
            advice.push(format!("the certificate {subject} has expired: renew it"));
        } else if *days_left < DAYS_TO_RENEW {
            advice.push(format!("the certificate {subject} expires in {days_left} days: renew it"));
        }
    }
    if let Some(own) = chain.first().filter(|own| own.is_self_signed() && !trusted) {
        advice.push(format!("the certificate {} is self-signed: trust it with ca=FILE", own.subject));
    }
}

fn about_clear_text(server: &Server, findings: &Findings, advice: &mut Vec<String>) {
    let config = server.mailer.config();
    if let Some(in_clear) = &findings.in_clear {
        if !in_clear.start_tls {
            advice.push("the server does not offer STARTTLS: use smtps:// if it has a port for TLS".to_owned());
        } else if !in_clear.auth.is_empty() {
            advice.push(
                "the server offers a login (AUTH) before TLS: careless clients send passwords in clear; offer it \
                 after STARTTLS alone"
                    .to_owned(),
            );
        }
    }
    let offered = findings.session.as_ref().map(|session| &session.extensions);
    if config.tls_mode() == TlsMode::None && !config.endpoint().is_local() && findings.session.is_some() {
        let starttls = offered.is_some_and(|offered| offered.start_tls);
        let how = if starttls { "the server offers STARTTLS: leave tls=none out" } else { "use smtps:// or STARTTLS" };
        advice.push(format!("mail goes in clear: {how}"));
    }
    if matches!(config.endpoint(), Endpoint::Tcp { port: 25, .. }) && config.credentials().is_some() {
        advice.push("port 25 is for mail between servers: log in at 587 (smtp://) or 465 (smtps://)".to_owned());
    }
}

fn about_extensions(offered: &Extensions, advice: &mut Vec<String>) {
    let lacking = [
        (offered.pipelining, "PIPELINING", "each command costs a round trip"),
        (offered.chunking || !offered.pipelining, "CHUNKING", "a message costs two round trips instead of one"),
        (
            offered.eight_bit_mime,
            "8BITMIME",
            "a finished message with 8-bit text has to be converted, which breaks signatures in it",
        ),
        (offered.size.is_some(), "SIZE", "a message that is too large is refused only when it was sent"),
        (offered.enhanced_status_codes, "ENHANCEDSTATUSCODES", "refusals are harder to tell apart"),
    ];
    for (there, name, price) in lacking {
        if !there {
            advice.push(format!("the server does not offer {name}: {price}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(days_left: i64, issuer: &str) -> Certificate {
        Certificate {
            subject: "CN=mail".to_owned(),
            issuer: issuer.to_owned(),
            not_after: "2026-12-01T00:00:00Z".to_owned(),
            days_left,
        }
    }

    fn about(chain: &[Certificate], trusted: bool) -> String {
        let mut advice = Vec::new();
        about_certificates(chain, trusted, &mut advice);
        advice.join("\n")
    }

    #[test]
    fn a_certificate_is_to_be_renewed_in_time() {
        assert!(about(&[certificate(20, "CN=ca")], true).contains("expires in 20 days: renew it"));
        assert!(about(&[certificate(-1, "CN=ca")], false).contains("has expired"));
        assert_eq!(about(&[certificate(21, "CN=ca")], true), "");
    }

    #[test]
    fn a_self_signed_certificate_that_is_not_trusted_can_be() {
        assert!(about(&[certificate(99, "CN=mail")], false).contains("self-signed: trust it with ca=FILE"));
        assert_eq!(about(&[certificate(99, "CN=mail")], true), "");
    }

    #[test]
    fn a_server_with_everything_needs_no_advice_and_one_of_before_ehlo_much() {
        let mut advice = Vec::new();
        about_extensions(
            &Extensions::parse(["PIPELINING", "CHUNKING", "8BITMIME", "SIZE 9", "ENHANCEDSTATUSCODES"]),
            &mut advice,
        );
        assert_eq!(advice, Vec::<String>::new());
        about_extensions(&Extensions::default(), &mut advice);
        assert!(advice.iter().any(|line| line.contains("PIPELINING")));
    }
}
