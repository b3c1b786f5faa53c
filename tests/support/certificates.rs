//! Certificates of a test's own authority, as files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// An authority, and a folder for what it makes. Dropping it removes the folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// The files of one certificate.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its key.
    pub(crate) key: PathBuf,
}

impl Files {
    /// The flags that have a server use them.
    pub(crate) fn flags(&self) -> [&str; 6] {
        [
            "--tls-listen",
            "127.0.0.1:0",
            "--tls-certificate",
            self.certificate.to_str().expect("temporary folders have plain names"),
            "--tls-key",
            self.key.to_str().expect("temporary folders have plain names"),
        ]
    }

    /// Puts these in the place of others.
    pub(crate) fn replace(&self, others: &Self) {
        fs::copy(&self.certificate, &others.certificate).expect("the folder is ours");
        fs::copy(&self.key, &others.key).expect("the folder is ours");
    }
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "a test's own authority");
        let key = KeyPair::generate().expect("a key can be made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate can be made");
        let folder = std::env::temp_dir()
            .join(format!("herenow-certificates-{:016x}", rand::random::<u64>()));
        fs::create_dir(&folder).expect("the folder for temporary files can be written");
        fs::write(folder.join("authority.pem"), issuer.pem()).expect("the folder is ours");
        Self { issuer, folder }
    }

    /// Where its own certificate is.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// A place for a client's memory, or for anything else.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A certificate for these names that ends with this year.
    pub(crate) fn certify(&self, title: &str, names: &[&str], last_year: i32) -> Files {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("valid names");
        params.not_after = date_time_ymd(last_year, 12, 31);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let files = Files {
            certificate: self.folder.join(format!("{title}.pem")),
            key: self.folder.join(format!("{title}-key.pem")),
        };
        fs::write(&files.certificate, certificate.pem()).expect("the folder is ours");
        fs::write(&files.key, key.serialize_pem()).expect("the folder is ours");
        files
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
