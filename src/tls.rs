//! The certificate by which clients recognise the server, and its exchange while the server runs.
//!
//! Names no socket and no clock: files are read when the caller says so, and `now` is an argument. A new certificate
//! is checked whole before it takes the place of the old one; whatever is wrong with it, the old one stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use herenow_protocol::CertificateFingerprint;
use herenow_protocol::limits::ALPN;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, ServerConfig};

use crate::config::TlsFiles;
use crate::files::{Stamp, stamp};

/// Why a certificate and its key cannot be used. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM section of the right kind.
    #[error("{}: {error}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// The key is of a kind that TLS 1.3 cannot use.
    #[error("{}: this private key cannot be used: {error}", file.display())]
    Key {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// The certificate cannot be understood.
    #[error("{}: this is no certificate: {error}", file.display())]
    Certificate {
        /// Which.
        file: PathBuf,
        /// Why.
        error: String,
    },
    /// They are not of each other.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// Its time is over.
    #[error("the certificate in {} has expired", file.display())]
    Expired {
        /// Which.
        file: PathBuf,
    },
}

/// A certificate with its key, checked against each other.
#[derive(Clone, Debug)]
pub struct Certificate {
    certified: Arc<CertifiedKey>,
    fingerprint: CertificateFingerprint,
    /// Seconds since 1970.
    not_after: i64,
}

impl Certificate {
    /// Reads a certificate with its chain, and its key.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let TlsFiles { certificate: file, key: key_file } = files;
        let chain = read_chain(file)?;
        let invalid = |error: String| TlsError::Certificate { file: file.clone(), error };
        let first = chain.first().ok_or_else(|| unreadable(file, "it holds no certificate"))?;
        let not_after = not_after(first).map_err(invalid)?;
        let fingerprint = fingerprint_of(first);
        let key = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| unreadable(key_file, pem_words(&error, "it holds no private key")))?;
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(|error| TlsError::Key { file: key_file.clone(), error: error.to_string() })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => {
                let (certificate, key) = (file.clone(), key_file.clone());
                return Err(TlsError::Mismatch { certificate, key });
            }
            Err(error) => return Err(invalid(error.to_string())),
        }
        Ok(Self { certified: Arc::new(certified), fingerprint, not_after })
    }

    /// What clients may pin.
    #[must_use]
    pub fn fingerprint(&self) -> CertificateFingerprint {
        self.fingerprint
    }

    /// When it ends, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now_unix_ms: u64) -> bool {
        i64::try_from(now_unix_ms / 1_000).unwrap_or(i64::MAX) > self.not_after
    }
}

/// What a server shows to clients, from files that may change while it runs.
#[derive(Debug)]
pub struct Identity {
    files: TlsFiles,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    certificate: Certificate,
    /// Of the files at the last try to read them, also a vain one.
    stamp: [Option<Stamp>; 2],
}

impl Identity {
    /// Reads the first certificate. One that has expired is served all the same: clients that pinned it do not mind.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let stamp = stamps(&files);
        let certificate = Certificate::read(&files)?;
        Ok(Self { files, current: Mutex::new(Current { certificate, stamp }) })
    }

    /// The certificate that clients are shown.
    #[must_use]
    pub fn certificate(&self) -> Certificate {
        self.current().certificate.clone()
    }

    /// Reads the files again. Returns whether they hold another certificate than before.
    ///
    /// # Errors
    /// What is wrong with the new one; the old one stays.
    pub fn reload(&self, now_unix_ms: u64) -> Result<bool, TlsError> {
        let stamp = stamps(&self.files);
        let read = Certificate::read(&self.files);
        let mut current = self.current();
        current.stamp = stamp;
        let fresh = read?;
        if fresh.is_expired(now_unix_ms) && !current.certificate.is_expired(now_unix_ms) {
            return Err(TlsError::Expired { file: self.files.certificate.clone() });
        }
        let is_new = fresh.fingerprint != current.certificate.fingerprint;
        current.certificate = fresh;
        Ok(is_new)
    }

    /// [Reloads](Self::reload) if a file has changed since it was last read, whether that went well or not. `None` if
    /// none has.
    pub fn look(&self, now_unix_ms: u64) -> Option<Result<bool, TlsError>> {
        let changed = self.current().stamp != stamps(&self.files);
        changed.then(|| self.reload(now_unix_ms))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Whoever panicked while holding it left a whole certificate.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Identity {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current().certificate.certified))
    }
}

/// How the server speaks TLS: 1.3 only, the application protocol `herenow/1`, no early data, and no resumption, so that
/// every connection is judged by the certificate of its day.
///
/// # Panics
/// Never: the provider speaks TLS 1.3.
#[must_use]
pub fn server_config(identity: Arc<Identity>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("aws-lc-rs has the cipher suites of TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(identity);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// The one crypto provider.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The SHA-256 of a certificate.
#[must_use]
pub fn fingerprint_of(certificate: &CertificateDer<'_>) -> CertificateFingerprint {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, certificate);
    CertificateFingerprint(digest.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let words = |error: pem::Error| unreadable(file, pem_words(&error, "it holds no certificate"));
    CertificateDer::pem_file_iter(file).map_err(words)?.collect::<Result<_, _>>().map_err(words)
}

fn not_after(certificate: &CertificateDer<'_>) -> Result<i64, String> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.validity().not_after.timestamp())
}

fn unreadable(file: &Path, error: impl Into<String>) -> TlsError {
    TlsError::Unreadable { file: file.to_owned(), error: error.into() }
}

fn pem_words(error: &pem::Error, nothing: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => nothing.to_owned(),
        error => format!("this is no PEM: {error:?}"),
    }
}

fn stamps(files: &TlsFiles) -> [Option<Stamp>; 2] {
    [&files.certificate, &files.key].map(|file| stamp(file))
}

#[cfg(test)]
mod tests;
