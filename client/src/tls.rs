//! TLS to a server, and the judgement of the certificate that it shows.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use herenow_protocol::CertificateFingerprint;
use herenow_protocol::limits::ALPN;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Disconnect;
use crate::address::Address;
use crate::link::Stream;
use crate::trust::{Distrust, Known, Trust};

/// By what this connection recognises the server.
#[derive(Debug)]
pub(crate) enum Rule {
    /// This certificate. Its dates and names do not matter: somebody vouched for it itself.
    Pinned {
        /// Its fingerprint.
        fingerprint: CertificateFingerprint,
        /// It stands in the address, not in what is remembered.
        is_asked_for: bool,
    },
    /// An authority of this computer.
    Vouched,
    /// An authority of this computer, or else whatever it shows.
    VouchedOrNew,
    /// An authority of this file.
    VouchedBy(RootCertStore),
}

impl Rule {
    /// The rule for a server of which this is known.
    pub(crate) fn new(
        asked_for: Option<CertificateFingerprint>,
        trust: &Trust,
        known: Option<Known>,
    ) -> Result<Self, Distrust> {
        if let Some(fingerprint) = asked_for {
            return Ok(Self::Pinned { fingerprint, is_asked_for: true });
        }
        match (trust, known) {
            (Trust::Authorities(file), _) => read_authorities(file).map(Self::VouchedBy),
            (_, Some(Known::Pinned(fingerprint))) => {
                Ok(Self::Pinned { fingerprint, is_asked_for: false })
            }
            // A server for which an authority vouched must not do with less.
            (Trust::FirstUse, None) => Ok(Self::VouchedOrNew),
            _ => Ok(Self::Vouched),
        }
    }
}

/// Shakes hands, and returns what is to be remembered of the server.
pub(crate) async fn shake_hands(
    stream: TcpStream,
    address: &Address,
    rule: Rule,
) -> Result<(TlsStream<TcpStream>, Known), Disconnect> {
    let name = ServerName::try_from(address.host.clone())
        .map_err(|error| Disconnect::Unreachable(format!("{}: {error}", address.host)))?;
    let judge = Arc::new(Judge::new(rule).map_err(Disconnect::Untrusted)?);
    let connector = TlsConnector::from(Arc::new(client_config(Arc::clone(&judge))));
    match connector.connect(name, stream).await {
        Ok(stream) => Ok((stream, judge.verdict().expect("a handshake shows a certificate"))),
        Err(error) => Err(judge.why(address, &error)),
    }
}

/// TLS 1.3 only. Nothing is resumed, so that every connection is judged by the certificate of its day.
fn client_config(judge: Arc<Judge>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&judge.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("aws-lc-rs has the cipher suites of TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(judge)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config
}

/// Judges the certificate of one handshake, and keeps what it saw.
struct Judge {
    rule: Rule,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    shown: CertificateFingerprint,
    verdict: Option<Known>,
}

impl Judge {
    fn new(rule: Rule) -> Result<Self, Distrust> {
        let provider = Arc::new(provider::default_provider());
        let roots = match &rule {
            Rule::Pinned { .. } => None,
            Rule::VouchedBy(roots) => Some(roots.clone()),
            Rule::Vouched | Rule::VouchedOrNew => Some(authorities_of_computer()),
        };
        let authorities = match roots {
            Some(roots) if !roots.is_empty() => Some(verifier(roots, &provider)?),
            _ => None,
        };
        Ok(Self { rule, authorities, provider, seen: Mutex::new(None) })
    }

    fn judge(
        &self,
        shown: CertificateFingerprint,
        vouch: impl FnOnce(&WebPkiServerVerifier) -> Result<ServerCertVerified, TlsError>,
    ) -> Result<Known, TlsError> {
        if let Rule::Pinned { fingerprint, .. } = &self.rule {
            return match *fingerprint == shown {
                true => Ok(Known::Pinned(shown)),
                false => Err(CertificateError::ApplicationVerificationFailure.into()),
            };
        }
        let unknown = || Err(CertificateError::UnknownIssuer.into());
        match (self.authorities.as_deref().map_or_else(unknown, vouch), &self.rule) {
            (Ok(_), _) => Ok(Known::Vouched),
            (Err(_), Rule::VouchedOrNew) => Ok(Known::Pinned(shown)),
            (Err(error), _) => Err(error),
        }
    }

    fn seen(&self) -> Option<Seen> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verdict(&self) -> Option<Known> {
        self.seen()?.verdict
    }

    /// Why a handshake failed, in terms of what was asked for.
    fn why(&self, address: &Address, error: &io::Error) -> Disconnect {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
        let Some(Seen { shown, verdict: None }) = self.seen() else { return no_tls(tls, error) };
        let pinned = address.pinned(shown).to_string();
        let why = tls.map_or_else(|| error.to_string(), words);
        Disconnect::Untrusted(match &self.rule {
            Rule::Pinned { is_asked_for: true, .. } => Distrust::Unexpected { shown },
            Rule::Pinned { .. } => Distrust::Changed { pinned },
            Rule::VouchedBy(_) => Distrust::Unvouched(why),
            Rule::Vouched | Rule::VouchedOrNew => Distrust::Unknown { why, pinned },
        })
    }
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let shown = fingerprint_of(certificate);
        let judged = self.judge(shown, |authorities| {
            authorities.verify_server_cert(certificate, chain, name, ocsp, now)
        });
        let seen = Seen { shown, verdict: judged.as_ref().ok().copied() };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        judged.map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Stream for TlsStream<TcpStream> {
    fn agreed(&self, detection_bound: Duration) {
        self.get_ref().0.agreed(detection_bound);
    }
}

/// The SHA-256 of a certificate.
fn fingerprint_of(certificate: &CertificateDer<'_>) -> CertificateFingerprint {
    let digest = digest(&SHA256, certificate);
    CertificateFingerprint(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

fn verifier(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Distrust> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| Distrust::Unvouched(error.to_string()))
}

/// None if this computer has no store of authorities; then nobody is vouched for.
fn authorities_of_computer() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn read_authorities(file: &Path) -> Result<RootCertStore, Distrust> {
    let words = |error: &dyn fmt::Display| {
        Distrust::Unvouched(format!(
            "the authorities in {} cannot be used: {error}",
            file.display()
        ))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| words(&error))? {
        let certificate = certificate.map_err(|error| words(&error))?;
        roots.add(certificate).map_err(|error| words(&error))?;
    }
    match roots.is_empty() {
        true => Err(words(&"it holds no certificate")),
        false => Ok(roots),
    }
}

/// Why an authority does not vouch for a certificate.
fn words(error: &TlsError) -> String {
    use CertificateError as E;
    let TlsError::InvalidCertificate(invalid) = error else { return error.to_string() };
    let words = match invalid {
        E::Expired | E::ExpiredContext { .. } => "its certificate has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this computer's clock is wrong"
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            "its certificate is for another name"
        }
        // A stranger may bear the name of an authority.
        E::UnknownIssuer | E::BadSignature => {
            "no authority that this computer trusts vouches for its certificate"
        }
        E::Revoked => "its certificate was revoked",
        _ => return format!("its certificate cannot be used: {invalid}"),
    };
    words.to_owned()
}

/// The handshake ended before there was a certificate to judge, or after it was found good.
fn no_tls(tls: Option<&TlsError>, error: &io::Error) -> Disconnect {
    match (tls, error.kind()) {
        (Some(TlsError::InvalidMessage(_)), _) => {
            Disconnect::Unreachable("what listens there does not speak TLS".to_owned())
        }
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => {
            let words = "it hung up during the TLS handshake; does it speak TLS there?";
            Disconnect::Unreachable(words.to_owned())
        }
        _ => Disconnect::Unreachable(format!("no TLS handshake: {error}")),
    }
}
